"""The one representation of a language: context-free rules over byte strings and regular terminals."""
