"""The names of the services on both interfaces, and how a person may write them."""

from __future__ import annotations

HEALTH = "NESO_Health"
NORMALIZATION = "NESO_Normalization"
INSTRUCTION = "NESO_Instruction"
REDECLARATION = "NESO_Redeclaration"
SUBMISSION = "NESO_Submission"
AUTHENTICATE = "Authenticate"
ASSET = "Asset/Create"
UNIT = "Unit/Create"
STATUS = "TransactionStatus"
RESULT = "TransactionResult"

WA_SERVICES = (HEALTH, NORMALIZATION, INSTRUCTION, REDECLARATION, SUBMISSION)
SMP_SERVICES = (AUTHENTICATE, ASSET, UNIT, STATUS, RESULT)


def find_service(text: str) -> str | None:
    """`NESO_Health`, `/NESO_Health` and `Health` are one."""
    name = text.strip("/")
    for service in WA_SERVICES + SMP_SERVICES:
        if name in (service, service.removeprefix("NESO_")):
            return service
    return None
