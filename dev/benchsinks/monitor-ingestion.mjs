// Sends with @azure/monitor-ingestion, as its documentation shows: everything in
// one upload, with the options that it has by itself. It is told what to do on
// stdin and says what it took on stdout, both as JSON; see measure.go.
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { json } from "node:stream/consumers";

import { LogsIngestionClient } from "@azure/monitor-ingestion";

const job = await json(process.stdin);
const logs = [];
for await (const line of createInterface({ input: createReadStream(job.file) })) {
  logs.push(JSON.parse(line));
}

const credential = { getToken: async () => ({ token: job.token, expiresOnTimestamp: Date.now() + 3_600_000 }) };
const client = new LogsIngestionClient(job.endpoint, credential);

const held = process.resourceUsage().maxRSS * 1024;
const before = process.cpuUsage();
const begin = performance.now();
await client.upload(job.rule, "Custom-" + job.stream, logs);
const seconds = (performance.now() - begin) / 1e3;
const { user, system } = process.cpuUsage(before); // in microseconds

process.stdout.write(JSON.stringify({ seconds, cpu: (user + system) / 1e6, held }));
