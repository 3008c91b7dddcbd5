"""What a rehearsal does with the operator: scenarios, market days, outages, certificates."""
