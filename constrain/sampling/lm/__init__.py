"""Language models as samplers see them: next-token laws of prefixes, and how transformers gives them."""
