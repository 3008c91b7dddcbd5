"""Trading points' files: the servers that tenants leave them at and fetch them from, what each may
do there, and the collector that hands them to the relay.
"""
