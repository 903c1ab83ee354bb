'use strict';
// Aggregation functions. Each takes the group's values of its arguments, as
// one array of arguments per row, and gives one value. Aggregates skip nulls.

const V = require('./values.cjs');
const { Dynamic, TimeSpan, Unsupported } = V;
const { inner } = require('./functions.cjs');

const column = (rows, i = 0) => rows.map((r) => r[i]).filter((v) => v !== null);
const truths = (rows, i) => rows.filter((r) => V.toBool(r[i]) === true);

function extreme(values, want) {
  return values.reduce((m, v) => (m === null || V.order(v, m) === want ? v : m), null);
}

function sum(values) {
  if (values.some((v) => v instanceof TimeSpan)) return new TimeSpan(values.reduce((a, v) => a + v.t, 0n));
  const nums = values.map(V.unwrap);
  return nums.every((v) => typeof v === 'bigint') ? nums.reduce((a, v) => a + v, 0n) : nums.reduce((a, v) => a + V.toReal(v), 0);
}

function average(values) {
  if (values.length === 0) return null;
  if (values.some((v) => v instanceof TimeSpan)) return new TimeSpan(sum(values).t / BigInt(values.length));
  return values.reduce((a, v) => a + V.toReal(v), 0) / values.length;
}

/** deviation is that of a sample, as stdev() gives it. */
function deviation(values) {
  if (values.length < 2) return values.length === 0 ? null : 0;
  const mean = average(values);
  return Math.sqrt(values.reduce((a, v) => a + (V.toReal(v) - mean) ** 2, 0) / (values.length - 1));
}

/** percentile by nearest rank. The engine estimates; small groups agree. */
function percentile(values, p) {
  if (values.length === 0) return null;
  const sorted = [...values].sort(V.order);
  const rank = Math.ceil((V.toReal(p) / 100) * sorted.length);
  return sorted[Math.min(sorted.length, Math.max(1, rank)) - 1];
}

/** maxSize is the last argument of make_set and make_list. */
function limit(rows, i) {
  return rows.length > 0 && rows[0][i] !== undefined ? Number(rows[0][i]) : 1048576;
}

// A null is dropped, an empty string is kept.
const collected = (rows) => column(rows).map(inner);

/** elements is for sets: of an array they take the elements, as documented, while lists keep it whole. */
const elements = (rows) => collected(rows).flatMap((v) => (Array.isArray(v) ? v.filter((x) => x !== null) : [v]));

function distinct(values) {
  return [...new Map(values.map((v) => [V.key(V.dynamic(v)), v])).values()];
}

function makeBag(rows) {
  const bag = {};
  for (const v of column(rows)) {
    if (v instanceof Dynamic && v.v && typeof v.v === 'object') for (const [k, x] of Object.entries(v.v)) if (!Object.hasOwn(bag, k)) bag[k] = x;
  }
  return new Dynamic(bag);
}

const count = (rows) => BigInt(rows.length);
const dcount = (values) => BigInt(new Set(values.map(V.key)).size);

const AGGREGATES = {
  count, countif: (rows) => count(truths(rows, 0)),
  dcount: (rows) => dcount(column(rows)), count_distinct: (rows) => dcount(column(rows)),
  dcountif: (rows) => dcount(column(truths(rows, 1))), count_distinctif: (rows) => dcount(column(truths(rows, 1))),
  sum: (rows) => sum(column(rows)), sumif: (rows) => sum(column(truths(rows, 1))),
  avg: (rows) => average(column(rows)), avgif: (rows) => average(column(truths(rows, 1))),
  stdev: (rows) => deviation(column(rows)),
  min: (rows) => extreme(column(rows), -1), max: (rows) => extreme(column(rows), 1),
  minif: (rows) => extreme(column(truths(rows, 1)), -1), maxif: (rows) => extreme(column(truths(rows, 1)), 1),
  percentile: (rows) => percentile(column(rows), rows[0]?.[1] ?? null),
  make_list: (rows) => new Dynamic(collected(rows).slice(0, limit(rows, 1))),
  make_set: (rows) => new Dynamic(distinct(elements(rows)).slice(0, limit(rows, 1))),
  make_set_if: (rows) => new Dynamic(distinct(elements(truths(rows, 1))).slice(0, limit(rows, 2))),
  make_list_if: (rows) => new Dynamic(collected(truths(rows, 1)).slice(0, limit(rows, 2))),
  make_bag: makeBag,
};

/**
 * pick gives the row that arg_max, arg_min or take_any chooses. Rows without a
 * value to compare are chosen only when no row has one; the first of equals wins.
 */
function pick(name, rows, valueOf) {
  if (name === 'take_any' || name === 'any') return rows[0];
  const want = name === 'arg_max' ? 1 : -1;
  let best = null;
  for (const row of rows) {
    const v = valueOf(row);
    if (v !== null && (best === null || V.order(v, best.v) === want)) best = { v, row };
  }
  return best ? best.row : rows[0];
}

const PICKERS = new Set(['arg_max', 'arg_min', 'take_any', 'any']);

function aggregate(name) {
  const f = AGGREGATES[name];
  if (!f) throw new Unsupported(`aggregate ${name}()`);
  return f;
}

const isAggregate = (name) => Object.hasOwn(AGGREGATES, name) || PICKERS.has(name);

module.exports = { aggregate, pick, PICKERS, isAggregate };
