"""Waiting for an object to become what a test expects: by its watch, so that nothing is missed and nobody polls."""

from __future__ import annotations

import asyncio


async def changed(client, resource, name, done):
    """The object once `done(object)`."""
    async with asyncio.timeout(10):
        items, version = await client.list_all(resource)
        for item in items:
            if item["metadata"]["name"] == name and done(item):
                return item
        stream = await client.watch(resource, resource_version=version)
        try:
            async for event in stream:
                if event.object["metadata"].get("name") == name and done(event.object):
                    return event.object
        finally:
            await stream.close()
