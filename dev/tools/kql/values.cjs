'use strict';
// Values of KQL and how they are read, written, compared and converted.
//
//   null of any type   null (a string is never null: it is '' instead)
//   bool               true, false
//   int, long          BigInt
//   real               number
//   string             string
//   datetime           DateTime, in ticks of 100 ns since 0001-01-01
//   timespan           TimeSpan, in ticks
//   guid               Guid
//   dynamic            Dynamic around a JSON value; its integers are BigInt, and
//                      it may hold a DateTime or TimeSpan. JSON null is null.

class DateTime { constructor(t) { this.t = t; } }
class TimeSpan { constructor(t) { this.t = t; } }
class Guid { constructor(s) { this.s = s; } }
class Dynamic { constructor(v) { this.v = v; } }

/** Unsupported says which construct the interpreter does not know. */
class Unsupported extends Error {
  constructor(what) { super(`not supported by the interpreter: ${what}`); }
}

const TICKS_PER_MS = 10000n;
const EPOCH = 621355968000000000n; // 1970-01-01 in ticks
const DAY = 864000000000n;

const dynamic = (v) => (v === null || v === undefined ? null : new Dynamic(v));
const isString = (v) => typeof v === 'string';

function typeOf(v) {
  if (v === null) return 'null';
  switch (typeof v) {
    case 'boolean': return 'bool';
    case 'bigint': return 'long';
    case 'number': return 'real';
    case 'string': return 'string';
  }
  if (v instanceof DateTime) return 'datetime';
  if (v instanceof TimeSpan) return 'timespan';
  if (v instanceof Guid) return 'guid';
  if (v instanceof Dynamic) return 'dynamic';
  throw new Unsupported(`value ${v}`);
}

// --- datetime, timespan ---

const ISO = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,7})\d*)?)?\s*(Z|[+-]\d\d:?\d\d)?)?$/;

/** parseDateTime gives null for a text that is no ISO 8601 time. */
function parseDateTime(text) {
  const m = ISO.exec(text.trim());
  if (!m) return null;
  const [, y, mo, d, h = '0', mi = '0', s = '0', frac = '', zone = 'Z'] = m;
  const ms = Date.UTC(+y, mo - 1, +d, +h, +mi, +s);
  const back = new Date(ms);
  if (back.getUTCMonth() !== mo - 1 || back.getUTCDate() !== +d || +h > 23 || +mi > 59 || +s > 59) return null;
  let t = BigInt(ms) * TICKS_PER_MS + EPOCH + BigInt(frac.padEnd(7, '0') || '0');
  if (zone !== 'Z') {
    const sign = zone[0] === '-' ? -1n : 1n;
    const digits = zone.replace(/\D/g, '');
    t -= sign * (BigInt(digits.slice(0, 2)) * 60n + BigInt(digits.slice(2))) * 600000000n;
  }
  return new DateTime(t);
}

function formatDateTime({ t }) {
  const sub = t % 10000000n;
  const iso = new Date(Number((t - sub - EPOCH) / TICKS_PER_MS)).toISOString().slice(0, 19);
  return `${iso}.${sub.toString().padStart(7, '0')}Z`;
}

const UNITS = { d: DAY, h: 36000000000n, m: 600000000n, s: 10000000n, ms: 10000n, microsecond: 10n, tick: 1n };

function parseTimeSpan(text) {
  let m = /^(-?\d+(?:\.\d+)?)\s*(d|h|m|s|ms|microsecond|tick)(?:ay|our|in|inute|ec|econd)?s?$/.exec(text.trim());
  if (m) return new TimeSpan(BigInt(Math.round(Number(m[1]) * Number(UNITS[m[2]]))));
  m = /^(-)?(?:(\d+)\.)?(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,7}))?)?$/.exec(text.trim());
  if (!m) {
    if (/^-?\d+$/.test(text.trim())) return new TimeSpan(BigInt(text) * DAY);
    return null;
  }
  const t = BigInt(m[2] ?? 0) * DAY + BigInt(m[3]) * UNITS.h + BigInt(m[4]) * UNITS.m + BigInt(m[5] ?? 0) * UNITS.s + BigInt((m[6] ?? '').padEnd(7, '0') || '0');
  return new TimeSpan(m[1] ? -t : t);
}

function formatTimeSpan({ t }) {
  const a = t < 0n ? -t : t;
  const two = (n) => n.toString().padStart(2, '0');
  const days = a / DAY;
  const sub = a % UNITS.s;
  return `${t < 0n ? '-' : ''}${days ? `${days}.` : ''}${two((a % DAY) / UNITS.h)}:${two((a % UNITS.h) / UNITS.m)}:${two((a % UNITS.m) / UNITS.s)}${sub ? `.${sub.toString().padStart(7, '0')}` : ''}`;
}

// --- JSON ---

/** fromJSON makes a dynamic's inner value of a parsed JSON value. */
function fromJSON(v) {
  if (typeof v === 'number') return Number.isSafeInteger(v) ? BigInt(v) : v;
  if (Array.isArray(v)) return v.map(fromJSON);
  if (v && typeof v === 'object') return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, fromJSON(x)]));
  return v;
}

/** parseJSON is parse_json(): text that is not JSON becomes that text. */
function parseJSON(text) {
  if (text === '') return null;
  try {
    return dynamic(fromJSON(JSON.parse(text)));
  } catch {
    return new Dynamic(text);
  }
}

/** plain gives what JSON.stringify can write. */
function plain(v) {
  if (v instanceof Dynamic) return plain(v.v);
  if (typeof v === 'bigint') return Number(v);
  if (v instanceof DateTime) return formatDateTime(v);
  if (v instanceof TimeSpan) return formatTimeSpan(v);
  if (v instanceof Guid) return v.s;
  if (Array.isArray(v)) return v.map(plain);
  if (v && typeof v === 'object') return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, plain(x)]));
  return v ?? null;
}

/** unwrap takes a scalar out of its dynamic; arrays and bags stay dynamic. */
function unwrap(v) {
  if (!(v instanceof Dynamic)) return v;
  return v.v !== null && typeof v.v === 'object' && !(v.v instanceof DateTime) && !(v.v instanceof TimeSpan) ? v : v.v;
}

// --- conversions ---

function toText(v) {
  // Whether this is "true" or "True" depends on the engine; inside JSON it is "true".
  if (typeof v === 'string') return v;
  if (v === true || v === false) throw new Unsupported("a bool as text, write iff(x, 'true', 'false')");
  v = unwrap(v);
  switch (typeOf(v)) {
    case 'null': return '';
    case 'bool': return v ? 'true' : 'false';
    case 'long': return v.toString();
    case 'real': return Number.isInteger(v) && Math.abs(v) < 1e15 ? v.toFixed(1).replace(/\.0$/, '') : String(v);
    case 'string': return v;
    case 'datetime': return formatDateTime(v);
    case 'timespan': return formatTimeSpan(v);
    case 'guid': return v.s;
    default: return JSON.stringify(plain(v.v));
  }
}

function toLong(v) {
  v = unwrap(v);
  switch (typeOf(v)) {
    case 'long': return v;
    case 'bool': return v ? 1n : 0n;
    case 'real': return Number.isFinite(v) ? BigInt(Math.trunc(v)) : null;
    case 'datetime': case 'timespan': return v.t;
    case 'string': {
      const s = v.trim();
      if (/^[+-]?\d+$/.test(s)) return BigInt(s);
      return /^[+-]?\d+\.\d*$/.test(s) ? BigInt(Math.trunc(Number(s))) : null;
    }
    default: return null;
  }
}

function toReal(v) {
  v = unwrap(v);
  switch (typeOf(v)) {
    case 'real': return v;
    case 'long': return Number(v);
    case 'bool': return v ? 1 : 0;
    case 'string': return v.trim() !== '' && Number.isFinite(Number(v)) ? Number(v) : null;
    default: return null;
  }
}

function toBool(v) {
  v = unwrap(v);
  switch (typeOf(v)) {
    case 'bool': return v;
    case 'long': return v !== 0n;
    case 'real': return v !== 0;
    case 'string': return { true: true, false: false, 1: true, 0: false }[v.trim().toLowerCase()] ?? null;
    default: return null;
  }
}

function toDateTime(v) {
  v = unwrap(v);
  if (v instanceof DateTime) return v;
  return isString(v) ? parseDateTime(v) : null;
}

function toTimeSpan(v) {
  v = unwrap(v);
  if (v instanceof TimeSpan) return v;
  return isString(v) ? parseTimeSpan(v) : null;
}

function toGuid(v) {
  v = unwrap(v);
  if (v instanceof Guid) return v;
  const hex = isString(v) ? v.trim().replace(/^\{|\}$/g, '').replace(/-/g, '').toLowerCase() : '';
  if (!/^[0-9a-f]{32}$/.test(hex)) return null;
  return new Guid(hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'));
}

/** convert makes a value of a column type; a string column never holds null. */
function convert(v, type) {
  switch (type) {
    case 'string': return toText(v);
    case 'int': case 'long': return toLong(v);
    case 'real': case 'decimal': return toReal(v);
    case 'bool': return toBool(v);
    case 'datetime': return toDateTime(v);
    case 'timespan': return toTimeSpan(v);
    case 'guid': return toGuid(v);
    case 'dynamic': return v === null || v instanceof Dynamic ? v : new Dynamic(v);
    default: throw new Unsupported(`type ${type}`);
  }
}

/** nullOf is what a column of a type holds when there is no value. */
const nullOf = (type) => (type === 'string' ? '' : null);

/** fits tells whether a value may stand in a column of a type. */
function fits(v, type) {
  if (typeof v === 'string') return type === 'string';
  const t = typeOf(v);
  if (t === 'null') return type !== 'string';
  return t === type || (t === 'long' && type === 'int') || (t === 'real' && type === 'decimal');
}

// --- comparison ---

/** order gives -1, 0 or 1 for two values of one type that are not null. */
function order(a, b) {
  if (a instanceof DateTime && b instanceof DateTime) return a.t < b.t ? -1 : a.t > b.t ? 1 : 0;
  a = unwrap(a);
  b = unwrap(b);
  const ta = typeOf(a);
  const tb = typeOf(b);
  if (ta !== tb) {
    const num = { long: 1, real: 1, bool: 1 };
    if (num[ta] && num[tb]) return order(toReal(a), toReal(b));
    if (ta === 'guid' || tb === 'guid') return order(toText(a).toLowerCase(), toText(b).toLowerCase());
    if (ta === 'string' || tb === 'string') return order(toText(a), toText(b));
    throw new Unsupported(`comparison of ${ta} with ${tb}`);
  }
  if (ta === 'dynamic') throw new Unsupported('comparison of dynamic arrays or bags');
  const x = ta === 'datetime' || ta === 'timespan' ? a.t : ta === 'guid' ? a.s : a;
  const y = ta === 'datetime' || ta === 'timespan' ? b.t : ta === 'guid' ? b.s : b;
  return x < y ? -1 : x > y ? 1 : 0;
}

/** key is a text that is equal for equal values: for grouping and joining. */
function key(v) {
  if (typeof v === 'string') return `string\u0000${v}`;
  v = unwrap(v);
  const t = typeOf(v);
  return `${t === 'real' && Number.isInteger(v) ? 'long' : t}\u0000${t === 'bool' ? v : toText(v)}`;
}

// --- rows in and out ---

/** readCell checks and converts one cell of a test's rows (parsed JSON). */
function readCell(v, type, where) {
  if (v === null || v === undefined) return nullOf(type);
  const wrong = () => { throw new Error(`${where}: ${JSON.stringify(v)} is no ${type}`); };
  if (type === 'dynamic') return dynamic(fromJSON(v));
  if (type === 'string' || type === 'datetime' || type === 'timespan' || type === 'guid') {
    if (typeof v !== 'string') wrong();
  } else if (type === 'bool') {
    if (typeof v !== 'boolean') wrong();
  } else if (typeof v !== 'number' || ((type === 'int' || type === 'long') && !Number.isSafeInteger(v))) {
    wrong();
  }
  const made = convert(typeof v === 'number' && type !== 'real' ? BigInt(v) : v, type);
  if (made === null) wrong();
  return made;
}

/** writeCell is the JSON form of a cell. Times lose a fraction of zeros. */
function writeCell(v) {
  if (v instanceof DateTime) return formatDateTime(v).replace(/\.?0*Z$/, 'Z');
  if (typeof v === 'number' && !Number.isFinite(v)) return String(v);
  return plain(v);
}

module.exports = {
  DateTime, TimeSpan, Guid, Dynamic, Unsupported, EPOCH, DAY, UNITS, dynamic, isString, typeOf, parseDateTime, formatDateTime, parseTimeSpan, formatTimeSpan,
  fromJSON, parseJSON, plain, unwrap, toText, toLong, toReal, toBool, toDateTime, toTimeSpan, toGuid, convert, nullOf, fits, order, key, readCell, writeCell,
};
