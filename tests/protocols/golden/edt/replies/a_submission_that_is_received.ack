* reply to ALITA_000001.sub
END,3,0
