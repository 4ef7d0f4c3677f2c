"""Results for people: in words, as outlines and as pictures."""
