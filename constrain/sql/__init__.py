"""Questions to a database: what it holds, the queries that it can answer as a grammar, and running one safely."""
