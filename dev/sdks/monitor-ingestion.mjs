// Sends to a stand-in workspace with @azure/monitor-ingestion.
import { LogsIngestionClient } from "@azure/monitor-ingestion";

const { ENDPOINT, TOKEN, RULE, STREAM, ROWS } = process.env;
const credential = { getToken: async () => ({ token: TOKEN, expiresOnTimestamp: Date.now() + 3_600_000 }) };
const logs = Array.from({ length: Number(ROWS) }, (_, i) => ({ id: `row-${i}`, created: new Date().toISOString(), name: `n${i} `.repeat(60) }));
await new LogsIngestionClient(ENDPOINT, credential).upload(RULE, STREAM, logs);
try {
  await new LogsIngestionClient(ENDPOINT, credential).upload("dcr-0000000000000000000000000000dead", STREAM, logs.slice(0, 1));
  throw new Error("another rule is taken");
} catch (e) {
  if (e.name !== "AggregateLogsUploadError") throw e;
}
process.stdout.write(`@azure/monitor-ingestion: ${logs.length} rows sent; another rule is refused\n`);
