"""Grammar x vocabulary: automata whose input letters are tokens."""
