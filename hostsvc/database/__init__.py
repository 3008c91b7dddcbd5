"""SQL that stands outside migrations: the roles a database administrator creates once."""
