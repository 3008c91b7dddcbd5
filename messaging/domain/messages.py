"""BmMessage: the closed set of typed messages that codecs translate to and from bytes."""

from __future__ import annotations

from messaging.domain.acknowledgements import (
    FreeText,
    Health,
    NormalizationAnswer,
    NormalizationRequest,
    ReceiptOfMessage,
    Result,
)
from messaging.domain.instructions import (
    AncillaryInstruction,
    BidOfferAcceptance,
    EmergencyInstruction,
    InstructionAnswer,
)
from messaging.domain.redeclarations import (
    LevelRedeclaration,
    RateRedeclaration,
    ScalarRedeclaration,
)
from messaging.domain.submissions import Submission

BmMessage = (
    LevelRedeclaration
    | RateRedeclaration
    | ScalarRedeclaration
    | Submission
    | BidOfferAcceptance
    | AncillaryInstruction
    | EmergencyInstruction
    | InstructionAnswer
    | Result
    | FreeText
    | ReceiptOfMessage
    | Health
    | NormalizationRequest
    | NormalizationAnswer
)


def kind_of(message: BmMessage) -> str:
    """The short name a message is stored and shown under: its parameter, its instruction kind, or
    what it is.
    """
    match message:
        case LevelRedeclaration() | RateRedeclaration() | ScalarRedeclaration():
            return str(message.parameter)
        case Submission():
            return "SUBMISSION"
        case BidOfferAcceptance() | AncillaryInstruction() | EmergencyInstruction():
            return str(message.kind)
        case InstructionAnswer():
            return "ACCEPT" if message.verdict == "ACCEPTED" else "REJECT"
        case Result():
            return "RESULT"
        case FreeText():
            return "TEXT"
        case ReceiptOfMessage():
            return "RECEIPT"
        case Health():
            return "HEALTH"
        case NormalizationRequest() | NormalizationAnswer():
            return "NORMALIZATION"


def unit_of(message: BmMessage) -> str:
    """NGC name of the BM unit a message is about, or an empty string."""
    return getattr(message, "bm_unit", "")
