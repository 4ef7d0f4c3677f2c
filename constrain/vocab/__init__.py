"""Vocabularies: what bytes each token id stands for."""
