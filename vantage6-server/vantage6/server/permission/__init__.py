"""Who may do what: the catalogue of rules, the default roles, and the checks."""
