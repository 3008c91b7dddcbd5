"""What a tenant's own machines and people are told of what happens: the event stream, webhooks,
e-mail, and the escalation of instructions without an answer.

Events are not stored beside the audit log: they are entries of the tenant's chain, read in its
order by sequence number and put into words for machines. So whoever carries an instruction writes
nothing more for them, an event stands or falls with what it tells of, and the number of an entry is
where any reader goes on.
"""
