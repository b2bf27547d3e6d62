import { VlmR1Error } from "@vlmr1/core";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { livePage, liveParts } from "../pages/live.ts";
import type { RunEvent, RunSink } from "./events.ts";

/** Pages that follow a run at once; more are told to come back. */
const mostReaders = 32;

/** A page on this computer that follows the run. */
export interface LiveServer extends RunSink {
  readonly url: string;
}

/**
 * Serves the live page on 127.0.0.1 and nowhere else.
 *
 * @param port 0 takes any free one.
 * @throws VlmR1Error `unavailable` when the port is taken.
 */
export async function liveServer(port: number): Promise<LiveServer> {
  const events: RunEvent[] = [];
  const readers = new Set<ServerResponse>();
  let latest: string | undefined; // drawn once for all readers
  const current = (): string => (latest ??= message(events));
  const title = (): string => events.find((event) => event.kind === "start")?.title ?? "vlmr1";
  const server = createServer((request, response) => {
    // A page of another site must not read the run through a name that resolves to this machine.
    const host = request.headers.host?.replace(/:\d+$/, "");
    if (host !== "127.0.0.1" && host !== "localhost") {
      response.writeHead(403).end();
    } else if (request.url === "/events" && readers.size >= mostReaders) {
      response.writeHead(503, { "retry-after": "10" }).end(`${mostReaders} pages follow this run already.`);
    } else if (request.url === "/events") {
      response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
      response.write(current());
      readers.add(response);
      response.on("close", () => readers.delete(response));
    } else if (request.url === "/") {
      response.writeHead(200, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" });
      response.end(livePage(title(), events));
    } else {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) =>
      reject(
        new VlmR1Error("unavailable", `Port ${port} is not free for --live. Choose another with --port.`, {
          cause,
        }),
      ),
    );
    server.listen(port, "127.0.0.1", resolve);
  });
  server.unref(); // the page never keeps a finished run alive
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    write(event) {
      remember(events, event);
      latest = undefined;
      // A reader that has not taken the last picture of the run is left out: the next one holds everything.
      for (const reader of readers) if (!reader.writableNeedDrain) reader.write(current());
    },
    close() {
      for (const reader of readers) reader.end();
      server.close();
    },
  };
}

function message(events: readonly RunEvent[]): string {
  return `data: ${JSON.stringify(liveParts(events))}\n\n`;
}

/** Pictures are large: only the latest rollout stays in memory. */
function remember(events: RunEvent[], event: RunEvent): void {
  if (event.kind === "rollout") {
    const earlier = events.findIndex(({ kind }) => kind === "rollout");
    if (earlier >= 0) events.splice(earlier, 1);
  }
  events.push(event.kind === "evaluation" ? { ...event, examples: [] } : event);
}
