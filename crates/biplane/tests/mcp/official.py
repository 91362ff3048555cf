"""Every tool of `biplane mcp`, called by the official Python SDK: official.py stdio|http MODE, in a fresh repository.

MODE is `legacy` (a handshake), or a revision without one; with the oldest SDK it is not asked for.
"""

import asyncio
import json
import os
import sys

import mcp

BIPLANE = os.environ["BIPLANE"]
OLDEST = not hasattr(mcp, "Client")


class Failed(Exception):
    """A tool said no."""


class Caller:
    """Calls tools, and takes down which."""

    def __init__(self, client):
        self.client = client
        self.called = set()

    async def raw(self, tool, arguments):
        self.called.add(tool)
        return await self.client.call_tool(tool, arguments)

    async def __call__(self, tool, **arguments):
        result = await self.raw(tool, arguments)
        text = result.content[0].text
        if getattr(result, "is_error", None) or getattr(result, "isError", None):
            raise Failed(text)
        told = json.loads(text)
        if not OLDEST:
            # The SDK has compared it with the tool's schema.
            assert result.structured_content == told, tool
        return told

    async def fails(self, code, tool, **arguments):
        try:
            told = await self(tool, **arguments)
        except Failed as error:
            assert str(error).startswith(f"error ({code}): "), error
            return str(error)
        raise AssertionError(f"{tool} did it: {told}")


async def scenario(client):
    call = Caller(client)
    tools = (await client.list_tools()).tools
    names = {tool.name for tool in tools}

    # Tasks and worktrees.
    assert (await call("task_create", subject="Backend auth"))["id"] == 1
    assert (await call("task_create", subject="Login page", after=[1], prefix="ui"))["id"] == "ui_001"
    assert [task["id"] for task in (await call("task_list"))["tasks"]] == [1, "ui_001"]
    assert (await call("task_get", task_id="ui_001"))["waits_for"] == [1]
    assert "Backend auth" in (await call("task_prompt", task_id=1))["prompt"]
    assert (await call("task_update", task_id=1, priority=2))["priority"] == 2
    assert (await call("claim_task", task_id=1, owner="bob"))["owner"] == "bob"
    await call("release_task", task_id=1)
    assert (await call("worktree_create", name="auth", task_id=1, owner="bob"))["task_id"] == 1
    await call("worktree_create", name="ui")
    await call("task_bind_worktree", task_id="ui_001", worktree="ui", no_start=True)
    await call("worktree_unbind", name="ui")
    await call("worktree_setup", name="auth")
    assert len((await call("worktree_list"))["worktrees"]) == 2
    path = (await call("worktree_enter", name="auth"))["path"]
    assert os.path.isdir(path), path

    # Commands.
    ran = await call("worktree_run", name="auth", command="echo a > a.txt; git status --short; exit 3")
    assert ran["output"] == "?? a.txt\n" and ran["exit_code"] == 3, ran
    assert (await call("worktree_status", name="auth"))["untracked"] == ["a.txt"]
    assert "+a" in (await call("worktree_diff", name="auth"))["patch"]
    assert (await call("conflicts"))["worktrees"] >= 1
    assert (await call("run_output", run=ran["id"]))["output"] == "?? a.txt\n"
    assert (await call("run_list", task_id=1))["runs"][-1]["id"] == ran["id"]
    assert "uncommitted work" in await call.fails("refused", "submit", name="auth")
    await call("worktree_run", name="auth", command="git add . && git commit -qm 'Add a'")

    # Landing.
    submission = await call("submit", name="auth")
    assert (await call("queue"))["submissions"][0]["id"] == submission["id"]
    await call("task_return", task_id=1, reason="once more")
    assert (await call("queue"))["submissions"] == []
    landed = await call("merge", name="auth")
    assert landed["status"] == "landed" and landed["unblocked"] == ["ui_001"], landed

    # Plans, mail, the team.
    plan = await call("plan_submit", task_id="ui_001", plan="First this, then that.")
    assert (await call("plan_list", all=True))["plans"][0]["request_id"] == plan["request_id"]
    await call.fails("conflict", "plan_approval", request_id=plan["request_id"], approve=True)
    await call("send_message", to="bob", content="one")
    await call("broadcast", content="two")
    assert (await call("mail_list", to="bob", unread=True))["mail"][-1]["content"] == "two"
    assert [mail["content"] for mail in (await call("read_inbox", of="bob"))["mail"]][-2:] == ["one", "two"]
    assert any(member["name"] == "bob" for member in (await call("list_teammates"))["team"])
    asked = await call("shutdown_request", teammate="bob", reason="enough")
    await call.fails("refused", "shutdown_response", request_id=asked["request_id"], approve=True, **{"from": "bob"})
    await call("teammate_recall", teammate="bob")

    # Ends.
    assert (await call("worktree_keep", name="ui", reason="to be looked at"))["status"] == "kept"
    await call("worktree_run", name="ui", command="echo b > b.txt")
    text = await call.fails("refused", "worktree_remove", name="ui")
    assert "\nhint: " in text, text
    removed = await call("worktree_remove", name="ui", discard_changes=True)
    assert removed["snapshot"] and not os.path.exists(removed["path"])
    assert (await call("worktree_snapshots"))["snapshots"][0]["ref"] == removed["snapshot"]
    restored = (await call("worktree_restore", name="ui"))["worktree"]
    assert open(os.path.join(restored["path"], "b.txt")).read() == "b\n"
    await call("worktree_closeout", name="ui", action="remove", force=True)
    await call("task_update", task_id="ui_001", status="blocked", reason="a person is needed")
    assert (await call("task_retry", task_id="ui_001"))["status"] == "pending"
    await call.fails("not_found", "stop", target="ui_001")
    await call("claim_task", task_id="ui_001", owner="bob")
    await call("complete_task", task_id="ui_001")
    assert (await call("up_state", state="paused"))["state"] == "paused"
    words = [event["event"] for event in (await call("worktree_events", limit=200))["events"]]
    for word in ("worktree.create.after", "worktree.run.after", "submission.landed", "worktree.remove.after"):
        assert word in words, words

    assert call.called == names, call.called ^ names
    await errors(client, call)
    await beside_tools(client)
    print(f"{len(names)} tools")


async def errors(client, call):
    text = await call.fails("not_found", "task_get", task_id=99)
    assert "hint: `task_list` shows the tasks" in text, text
    await call.fails("usage", "task_list", cursor="bm8")
    for tool, arguments in (("no_such_tool", {}), ("task_get", {}), ("task_get", {"task_id": 1, "colour": "red"})):
        try:
            await client.call_tool(tool, arguments)
        except Exception as error:  # Its name differs between releases.
            code = getattr(getattr(error, "error", error), "code", None)
            assert code == -32602 or OLDEST, (tool, error, code)
        else:
            raise AssertionError(f"{tool} {arguments} was understood")


async def beside_tools(client):
    resources = (await client.list_resources()).resources
    assert str(resources[0].uri) == "biplane://events", resources
    for resource in resources:
        uri = resource.uri
        text = (await client.read_resource(uri)).contents[0].text
        # What a run wrote may be nothing.
        assert str(uri).endswith("/log") or json.loads(text), uri
    if not OLDEST:
        assert len((await client.list_resource_templates()).resource_templates) == 3
    assert [prompt.name for prompt in (await client.list_prompts()).prompts] == ["lead", "work_on_task"]
    prompt = await client.get_prompt("work_on_task", {"task_id": "1"})
    assert "Backend auth" in prompt.messages[0].content.text


async def oldest():
    from mcp.client.session import ClientSession
    from mcp.client.stdio import StdioServerParameters, stdio_client

    server = StdioServerParameters(command=BIPLANE, args=["mcp"], env=dict(os.environ))
    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
        hello = await session.initialize()
        assert hello.protocolVersion == "2024-11-05", hello
        await scenario(session)


async def newest(transport, mode):
    if transport == "stdio":
        from mcp.client.stdio import StdioServerParameters, stdio_client

        server = stdio_client(StdioServerParameters(command=BIPLANE, args=["mcp"], env=dict(os.environ)))
        await with_client(server, mode)
        return
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        await with_client(streamable_http_client(os.environ["URL"], http_client=http), mode)


async def with_client(server, mode):
    async with mcp.Client(server, mode=mode) as client:
        assert client.protocol_version == ("2025-11-25" if mode == "legacy" else mode), client.protocol_version
        told = []

        async def progress(done, total, message):
            told.append(message)

        await scenario(client)
        await client.call_tool("worktree_create", {"name": "slow"})
        arguments = {"name": "slow", "command": "echo begun; sleep 1"}
        await client.call_tool("worktree_run", arguments, progress_callback=progress)
        assert "begun" in told, told


asyncio.run(oldest() if OLDEST else newest(sys.argv[1], sys.argv[2]))
