// Tries a stand-in tenant with SailPoint's own client. It prints what was checked, and
// ends with 1 at the first thing that is not as it should be.
import assert from "node:assert/strict";

import sailpoint from "sailpoint-api-client";

const { BASE, CLIENT_ID, CLIENT_SECRET, EVENTS, BEGIN } = process.env;
const total = Number(EVENTS);
console.log = () => {}; // the client talks while it pages
const checked = (what) => process.stdout.write(`sailpoint-api-client: ${what}\n`);

const configuration = new sailpoint.Configuration({
  baseurl: BASE, tokenUrl: `${BASE}/oauth/token`, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET,
});
configuration.experimental = true; // the client's own switch for the invocations of v2024
assert.match(await configuration.accessToken, /^eyJ/);
checked("the token request is answered (multipart/form-data)");

// Of a moment that stays, so that all that is asked agrees.
const until = new Date(Date.now() - 60_000).toISOString();
const query = { indices: ["events"], query: { query: `created:[${BEGIN} TO ${until}]` }, sort: ["created", "id"] };
let known;

for (const [version, api] of Object.entries({ v3: new sailpoint.SearchApi(configuration), v2024: new sailpoint.SearchV2024Api(configuration) })) {
  const body = (b) => (version === "v3" ? { search: b } : { searchV2024: b });

  const counted = await api.searchCount(body(query));
  assert.equal(counted.status, 204);
  const count = Number(counted.headers["x-total-count"]);
  assert.ok(count > 3000 * 0.5 && count <= total, `${count} events`);

  const ids = [];
  for (let after; ;) {
    const { data, headers } = await api.searchPost({ ...body({ ...query, searchAfter: after }), limit: 250, count: true });
    assert.equal(Number(headers["x-total-count"]), count);
    ids.push(...data.map((e) => e.id));
    if (data.length < 250) break;
    after = [data.at(-1).created, data.at(-1).id];
  }
  assert.equal(ids.length, count);
  assert.equal(new Set(ids).size, count);
  known ??= ids;
  assert.deepEqual(ids, known);

  const byOffset = await api.searchPost({ ...body(query), limit: 100, offset: 500 });
  assert.deepEqual(byOffset.data.map((e) => e.id), ids.slice(500, 600));
  await assert.rejects(api.searchPost({ ...body(query), limit: 250, offset: 9_999 }), (e) => e.response.status === 400);

  const shown = await api.searchPost({ ...body({ ...query, queryResultFilter: { includes: ["id"] } }), limit: 1 });
  assert.deepEqual(shown.data, [{ id: ids[0] }]);

  const recent = await api.searchCount(body({ indices: ["events"], query: { query: "created:[now-1h/h TO now] AND NOT type:nothing" } }));
  assert.equal(recent.status, 204);
  const filtered = await api.searchCount(body({
    indices: ["events"], query: { query: "*" },
    filters: { created: { type: "RANGE", range: { lower: { value: BEGIN, inclusive: true }, upper: { value: until, inclusive: true } } } },
  }));
  assert.equal(Number(filtered.headers["x-total-count"]), count);

  const one = await api.searchGet({ index: "events", id: ids[0] });
  assert.equal(one.data.id, ids[0]);
  await assert.rejects(api.searchGet({ index: "events", id: "none" }), (e) => e.response.status === 404);
  checked(`${version}: ${count} events by searchAfter, by offset, counted and filtered; one by its id; too far is 400`);
}

const paged = await sailpoint.Paginator.paginateSearchApi(new sailpoint.SearchApi(configuration), { ...query, sort: ["-id"] }, 250);
assert.deepEqual(paged.data.map((e) => e.id).toSorted(), known.toSorted());
checked(`its paginator brings the same ${paged.data.length}`);

for (const [version, api] of Object.entries({ v2024: new sailpoint.TriggersV2024Api(configuration), beta: new sailpoint.TriggersBetaApi(configuration) })) {
  const seen = new Set();
  let listed;
  for (let offset = 0; ; offset += 250) {
    const { data, headers } = await api.listTriggerInvocationStatus({ limit: 250, offset, sorters: "-created", count: true });
    data.forEach((i) => seen.add(i.id));
    listed = Number(headers["x-total-count"]);
    if (data.length < 250) break;
  }
  assert.equal(seen.size, 300);
  assert.equal(listed, 300);
  const { data } = await api.listTriggerInvocationStatus({ filters: 'triggerId eq "idn:identity-created"' });
  assert.ok(data.length > 0 && data.every((i) => i.triggerId === "idn:identity-created"));
  checked(`${version}: ${seen.size} trigger invocations by pages; ${data.length} by a filter`);
}
