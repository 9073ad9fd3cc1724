"""`GET /api/stream` and `/ws/stream`, answered before Django.

Django holds a thread per open response as soon as one middleware is synchronous; here an open stream costs a task.
So the visitor is identified here, at the start and again at every second beat.
"""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from django.db import DatabaseError
from django.utils.translation import gettext as _

from dashboard import visitors
from dashboard.live import snapshot
from dashboard.live.connection import (
    Events,
    Line,
    Receive,
    Refusal,
    Scope,
    Send,
    Socket,
    check_method_and_type,
    check_origin,
    header,
    session_key,
)
from dashboard.live.hub import FullError, Reader, hub
from dashboard.live.message import Message, Wishes

logger = logging.getLogger(__name__)

BEATS_PER_CHECK = 2


async def event_stream(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer GET /api/stream."""
    await _answer(scope, Events(receive, send))


async def web_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer /ws/stream."""
    await receive()  # websocket.connect
    await _answer(scope, Socket(receive, send))


async def _answer(scope: Scope, line: Line) -> None:
    try:
        wishes = await _admit(scope)
        await _serve(scope, wishes, line)
    except Refusal as refusal:
        await line.refuse(refusal)


async def _admit(scope: Scope) -> Wishes:
    """Return what this visitor wants; Refusal when the request is wrong or nobody we know sent it."""
    websocket = scope["type"] == "websocket"
    if not websocket:
        check_method_and_type(scope)
    check_origin(scope, required=websocket and not header(scope, b"authorization"))
    try:
        await _identify(scope)
        return Wishes.parse(scope["query_string"].decode("latin-1"), websocket=websocket)
    except visitors.VisitorError as error:
        raise Refusal(401, str(error)) from error
    except ValueError as error:
        raise Refusal(422, str(error)) from error
    except DatabaseError as error:
        raise Refusal(503, _("The database does not answer.")) from error


async def _identify(scope: Scope) -> visitors.Visitor:
    visitor: visitors.Visitor = await database_sync_to_async(visitors.by_headers)(
        header(scope, b"authorization"), session_key(scope)
    )
    return visitor


async def _serve(scope: Scope, wishes: Wishes, line: Line) -> None:
    """Write until the reader leaves or is not entitled any more."""
    try:
        async with hub().reader(wishes) as reader:
            await line.open()
            tasks = {asyncio.ensure_future(_write(scope, reader, line)), asyncio.ensure_future(line.gone())}
            try:
                done, _pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await _end(tasks)
            for task in done:
                task.result()
    except FullError as error:
        raise Refusal(503, _("Too many open streams. Close some pages, or raise PIERWATCH_STREAM_CLIENTS.")) from error


async def _end(tasks: set[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _write(scope: Scope, reader: Reader, line: Line) -> None:
    await line.write(await _opening(scope, reader))
    next_check = BEATS_PER_CHECK
    while True:
        frames = await reader.take()
        await (line.write(frames) if frames else line.beat())
        if reader.beats >= next_check:
            next_check = reader.beats + BEATS_PER_CHECK
            if not await _still_entitled(scope):
                await line.close()
                return


async def _opening(scope: Scope, reader: Reader) -> list[bytes]:
    """Return what a reader gets before anything happens."""
    after = _last_event_id(scope)
    hello, health, missed = await database_sync_to_async(_read_opening)(after)
    reader.skip(frozenset(message.key for message in missed))
    messages = [message.rendered(reader.wishes) for message in (hello, health, *missed)]
    frames = [frame for frame in messages if frame]
    return [*frames[:1], *await hub().snapshot(reader.wishes), *frames[1:]]


def _read_opening(after: int | None) -> tuple[Message, Message, list[Message]]:
    missed = [] if after is None else snapshot.missed_events(after)
    return snapshot.hello(), snapshot.system_health(), missed


def _last_event_id(scope: Scope) -> int | None:
    """Return the id in the Last-Event-ID header, or in `?last_event_id=`, for clients that cannot set headers."""
    asked = parse_qs(scope["query_string"].decode("latin-1")).get("last_event_id", [""])[-1]
    text = header(scope, b"last-event-id") or asked
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


async def _still_entitled(scope: Scope) -> bool:
    try:
        await _identify(scope)
    except visitors.VisitorError:
        return False
    except DatabaseError as error:
        logger.warning("An open stream could not be checked: %s", error)
    return True
