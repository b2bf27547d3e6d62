import { get, type IncomingMessage } from "node:http";
import { expect, test } from "vitest";
import { liveServer } from "../../src/run/live-server.ts";
import { exampleRun } from "../example-run.ts";

function status(url: string, host?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    get(url, host === undefined ? {} : { headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    }).on("error", reject);
  });
}

test("answers to this machine's own names only, so that no other site can read a run", async () => {
  const server = await liveServer(0);
  expect(await status(server.url)).toBe(200);
  expect(await status(server.url, "localhost:80")).toBe(200);
  expect(await status(server.url, "evil.example")).toBe(403);
  expect(await status(`${server.url}nothing`)).toBe(404);
  await server.close();
});

test("sends the whole state to a reader who comes late", async () => {
  const server = await liveServer(0);
  for (const event of exampleRun) await server.write(event);
  const response = await fetch(`${server.url}events`);
  const chunk = await response.body!.getReader().read();
  const text = new TextDecoder().decode(chunk.value as Uint8Array);
  const parts = JSON.parse(text.slice("data: ".length)) as Record<string, string>;
  expect(Object.keys(parts)).toEqual(["progress", "curves", "rollout"]);
  expect(parts["progress"]).toContain("Step 60 of 60");
  expect(parts["rollout"]).toContain("the red key");
  await server.close();
});

test("says that its port is taken and what to do", async () => {
  const server = await liveServer(0);
  const port = Number(new URL(server.url).port);
  await expect(liveServer(port)).rejects.toThrow(
    `Port ${port} is not free for --live. Choose another with --port.`,
  );
  await server.close();
});

test("readers that do not read cost nothing, and there is a limit on readers", async () => {
  const server = await liveServer(0);
  const idle: IncomingMessage[] = [];
  for (let reader = 0; reader < 32; reader++)
    idle.push(
      await new Promise((resolve) => get(`${server.url}events`, (response) => resolve(response.pause()))),
    );
  expect(await status(`${server.url}events`)).toBe(503);
  const before = process.memoryUsage().rss;
  for (let step = 1; step <= 300; step++) for (const event of exampleRun) await server.write(event);
  expect(process.memoryUsage().rss - before).toBeLessThan(200 * 2 ** 20);
  for (const response of idle) response.destroy();
  await server.close();
});
