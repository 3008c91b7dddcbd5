"""`python -m tests.e2e.pictures`: takes the pictures of the admin that the README shows, of a stack
of its own with a demonstration's traffic.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Browser

from hostsvc.staff_groups import ADMINISTRATOR
from messaging.domain.instructions import Instruction, InstructionAnswer
from messaging.rehearsal.control_point import accept
from tests.e2e import rig as rigs
from tests.e2e.browsing import Visitor, accounts, chromium, visitor
from tests.e2e.rig import Rig, mel, run
from tests.os_tools import find, remedy
from tests.servers import ROOT

PICTURES = ROOT / "docs" / "images"
POINT, UNIT, OTHER = "ALDR2", "ALDR-F01", "ALDR-F02"
REASON = "ticket 4711: the tenant asks what was sent"
WIDTH = 1360


def main() -> int:
    path = find("chromium")
    if path is None:
        print(remedy(["chromium"]), file=sys.stderr)
        return 1
    with own_stack() as stack:
        traffic(stack)
        with accounts(stack), chromium(path) as browser:
            take(stack, browser)
    return 0


@contextmanager
def own_stack() -> Iterator[Rig]:
    (ROOT / "var").mkdir(exist_ok=True)
    var = Path(tempfile.mkdtemp(prefix="pictures-", dir=ROOT / "var"))
    try:
        stack = rigs.start(var)
        try:
            yield stack
        finally:
            rigs.stop(stack)
    finally:
        shutil.rmtree(var, ignore_errors=True)


def traffic(stack: Rig) -> None:
    """What goes well, and then some that does not: an instruction nobody answers, a link that is
    lost, and an operator that fails.
    """

    async def work() -> None:
        async with (
            stack.control_point("alder", answer=_sometimes) as point,
            stack.control_point("birch") as lost,
        ):
            await point.wait_ready()
            await lost.wait_ready()
            for level in range(40, 60):
                await point.result(await point.redeclare(mel(POINT, UNIT, level)), final=True)
            for level in range(10, 20):
                await asyncio.to_thread(stack.dispatch, UNIT, POINT, level=level)
            await asyncio.to_thread(stack.dispatch, OTHER, POINT, level=33, wait=0)

    run(work)
    time.sleep(6.0)  # until the loss of the links is alarmed


def _sometimes(instruction: Instruction) -> InstructionAnswer | None:
    """Answers what the one BM unit is told, and nothing else."""
    return accept(instruction) if instruction.bm_unit == UNIT else None


def take(stack: Rig, browser: Browser) -> None:
    PICTURES.mkdir(exist_ok=True)
    with visitor(stack, browser, ADMINISTRATOR, width=WIDTH, height=800) as who:
        who.go("/admin/")
        shoot(who, "admin-first-page", 1000)
        who.go("/admin/tenants/tenant/")
        shoot(who, "admin-tenants", 420)
        who.go(f"/admin/messaging/message/?q={quote(UNIT)}")
        shoot(who, "admin-messages", 620)
        open_message(who, "MEL")
        shoot(who, "admin-message", 900)
        ask(who)
        shoot(who, "admin-body-edl", 720)
        who.go(f"/admin/messaging/message/?q={quote(UNIT)}")
        open_message(who, "BOA")
        ask(who)
        who.page.locator(".shown h2", has_text="Signed form").first.scroll_into_view_if_needed()
        shoot(who, "admin-body-signed", 900)
        who.go("/admin/audit/chain/deeds/")
        shoot(who, "admin-who-did-what", 420)


def open_message(who: Visitor, kind: str) -> None:
    rows = who.page.locator("#result_list tr", has=who.page.locator(f"text=/^{kind}$/"))
    rows.first.locator("a").first.click()
    who.page.wait_for_selector("svg.drawn")


def ask(who: Visitor) -> None:
    who.page.click("text=give a reason to see it")
    who.page.fill("input[name=reason]", REASON)
    who.page.click("text=Show the body")
    who.page.wait_for_selector(".shown")


def shoot(who: Visitor, name: str, height: int) -> None:
    who.page.set_viewport_size({"width": WIDTH, "height": height})
    who.page.wait_for_timeout(400)
    who.page.screenshot(path=PICTURES / f"{name}.png")


if __name__ == "__main__":
    sys.exit(main())
