'use strict';
// Scalar functions whose arguments are evaluated first. Each takes values and
// the run's context {now}. Those that look at the row, at names or at their
// arguments' syntax are in expressions.cjs.

const V = require('./values.cjs');
const { DateTime, TimeSpan, Dynamic, Unsupported, dynamic, unwrap, toText, toLong, toReal, DAY, UNITS, EPOCH } = V;

const isNull = (v) => v === null;
const isEmpty = (v) => v === null || unwrap(v) === '';
const num = (v) => { const u = unwrap(v); return typeof u === 'bigint' || typeof u === 'number' ? u : V.typeOf(u) === 'null' ? null : toReal(u); };
const arrayOf = (v) => (v instanceof Dynamic && Array.isArray(v.v) ? v.v : null);
const bagOf = (v) => (v instanceof Dynamic && v.v && typeof v.v === 'object' && !Array.isArray(v.v) && !(v.v instanceof DateTime) && !(v.v instanceof TimeSpan) ? v.v : null);
const inner = (v) => (v instanceof Dynamic ? v.v : v);
const all = (f) => (...a) => (a.slice(0, -1).some(isNull) ? null : f(...a)); // null if any argument is null

/** floorTo rounds down to a multiple, also below zero. */
function floorTo(v, step) {
  const u = unwrap(v);
  const s = unwrap(step);
  if (u === null || s === null) return null;
  const down = (a, b) => a - (((a % b) + b) % b);
  if (u instanceof DateTime && s instanceof TimeSpan) return s.t > 0n ? new DateTime(down(u.t, s.t)) : null;
  if (u instanceof TimeSpan && s instanceof TimeSpan) return s.t > 0n ? new TimeSpan(down(u.t, s.t)) : null;
  if (typeof u === 'bigint' && typeof s === 'bigint') return s > 0n ? down(u, s) : null;
  const r = toReal(s);
  return r > 0 ? Math.floor(toReal(u) / r) * r : null;
}

const date = (d) => new Date(Number((d.t - EPOCH) / 10000n));
const fromParts = (y, m, d) => new DateTime(BigInt(Date.UTC(y, m, d)) * 10000n + EPOCH);

const START = {
  day: (d) => floorTo(d, new TimeSpan(DAY)),
  week: (d) => new DateTime(floorTo(d, new TimeSpan(DAY)).t - BigInt(date(d).getUTCDay()) * DAY),
  month: (d) => fromParts(date(d).getUTCFullYear(), date(d).getUTCMonth(), 1),
  year: (d) => fromParts(date(d).getUTCFullYear(), 0, 1),
};

function startOf(unit) {
  return (d, ...rest) => {
    const offset = rest.length > 1 ? rest[0] : 0n;
    if (offset !== 0n) throw new Unsupported(`startof${unit} with an offset`);
    return d === null ? null : START[unit](d);
  };
}

const PERIODS = { day: DAY, hour: UNITS.h, minute: UNITS.m, second: UNITS.s, millisecond: UNITS.ms, microsecond: 10n };

/** dateDiff counts the boundaries of a period between two times. */
function dateDiff(period, a, b) {
  if (a === null || b === null) return null;
  const unit = PERIODS[period];
  if (unit) return floorTo(a, new TimeSpan(unit)).t / unit - floorTo(b, new TimeSpan(unit)).t / unit;
  const months = (d) => BigInt(date(d).getUTCFullYear() * 12 + date(d).getUTCMonth());
  if (period === 'month') return months(a) - months(b);
  if (period === 'year') return BigInt(date(a).getUTCFullYear() - date(b).getUTCFullYear());
  if (period === 'week') return (START.week(a).t - START.week(b).t) / (7n * DAY);
  throw new Unsupported(`datetime_diff of ${period}`);
}

/** regex makes a JavaScript expression of an RE2 one. */
function regex(pattern, flags = '') {
  const m = /^\(\?([a-zA-Z]+)\)/.exec(pattern);
  if (m) {
    if (/[^ims]/.test(m[1])) throw new Unsupported(`regular expression flags ${m[1]}`);
    flags += m[1];
    pattern = pattern.slice(m[0].length);
  }
  if (/\(\?[a-zA-Z-]+[:)]/.test(pattern) || /\\[AzQEC]/.test(pattern)) throw new Unsupported(`regular expression ${pattern}`);
  return new RegExp(pattern.replace(/\(\?P</g, '(?<'), `${flags}u`);
}

const code = (s) => [...s];

function substring(text, start, ...rest) {
  const chars = code(toText(text));
  const from = Number(toLong(start));
  const length = rest.length > 1 ? Number(toLong(rest[0])) : chars.length;
  const at = from < 0 ? Math.max(0, chars.length + from) : from;
  return length < 0 ? '' : chars.slice(at, at + length).join('');
}

function extract(pattern, group, source, ...rest) {
  const m = regex(pattern).exec(toText(source));
  const found = m ? m[Number(group)] ?? '' : '';
  if (rest.length > 1) throw new Unsupported('extract with a type');
  return found;
}

function extractAll(pattern, source) {
  const hits = [...toText(source).matchAll(regex(pattern, 'g'))].map((m) => (m.length === 2 ? m[1] ?? '' : m.slice(1).map((x) => x ?? '')));
  return hits.length ? new Dynamic(hits) : null;
}

const IPV4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\/(\d{1,2}))?$/;

function ipv4(text) {
  const m = IPV4.exec(toText(text).trim());
  if (!m || m.slice(1, 5).some((x) => +x > 255) || +(m[5] ?? 0) > 32) return null;
  return { value: m.slice(1, 5).reduce((a, x) => a * 256 + +x, 0), bits: m[5] === undefined ? 32 : +m[5] };
}

function ipv4InRange(ip, range) {
  const a = ipv4(ip);
  const r = ipv4(range);
  if (!a || !r) return null;
  const size = 2 ** (32 - r.bits);
  return Math.floor(a.value / size) === Math.floor(r.value / size);
}

function isPrivate(ip) {
  if (!ipv4(ip)) return null;
  return ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'].some((r) => ipv4InRange(ip, r));
}

/** hasIPv4Prefix finds an address that starts with a prefix, between non-word characters. */
function hasAnyIPv4Prefix(text, prefixes) {
  const found = toText(text).match(/(?<![\w.])\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\w.])/g) ?? [];
  return found.some((ip) => prefixes.some((p) => p !== '' && (p.endsWith('.') ? ip.startsWith(p) : ip === p)));
}

const texts = (args) => args.flatMap((a) => (arrayOf(a) ? arrayOf(a).map((x) => toText(dynamic(x))) : [toText(a)]));

function bagPack(...args) {
  const pairs = args.slice(0, -1);
  const bag = {};
  for (let i = 0; i + 1 < pairs.length; i += 2) bag[toText(pairs[i])] = inner(pairs[i + 1]);
  return new Dynamic(bag);
}

function round(v, ...rest) {
  const n = num(v);
  if (n === null) return null;
  const digits = rest.length > 1 ? Number(rest[0]) : 0;
  const f = 10 ** digits;
  return Math.sign(Number(n)) * Math.round(Math.abs(Number(n)) * f) / f;
}

const extreme = (want) => (...a) => a.slice(0, -1).filter((x) => x !== null).reduce((m, x) => (m === null || V.order(x, m) === want ? x : m), null);

/** ipv6Parts gives the eight groups of an address, an IPv4 address mapped, or null. */
function ipv6Parts(text) {
  const v4 = /^(.*?)(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (v4) {
    const bytes = v4.slice(2).map(Number);
    if (bytes.some((b) => b > 255)) return null;
    const tail = `${(bytes[0] * 256 + bytes[1]).toString(16)}:${(bytes[2] * 256 + bytes[3]).toString(16)}`;
    return ipv6Parts(v4[1] === '' ? `::ffff:${tail}` : v4[1] + tail);
  }
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const groups = halves.map((h) => (h === '' ? [] : h.split(':')));
  const missing = 8 - groups.flat().length;
  if (!groups.flat().every((g) => /^[0-9a-f]{1,4}$/i.test(g)) || (halves.length === 1 ? missing !== 0 : missing < 1)) return null;
  return [...groups[0], ...Array(halves.length === 1 ? 0 : missing).fill('0'), ...(groups[1] ?? [])].map((g) => parseInt(g, 16));
}

/** parseIPv6Mask is the network of an address in full form, empty if it is none. The prefix counts in 128 bits. */
function parseIPv6Mask(ip, prefix) {
  if (toText(ip).includes('/')) throw new Unsupported('parse_ipv6_mask of an address with a mask');
  const parts = ipv6Parts(toText(ip));
  if (!parts) return '';
  if (/^\d+(\.\d+){3}$/.test(toText(ip)) && prefix < 96n) throw new Unsupported('parse_ipv6_mask of an IPv4 address with a short prefix');
  return parts.map((p, i) => {
    const bits = Math.min(16, Math.max(0, Number(prefix) - 16 * i));
    return (p & (0xffff << (16 - bits)) & 0xffff).toString(16).padStart(4, '0');
  }).join(':');
}

/** PLACES stand in for the geographic database: the networks for documentation and one of attackers, spread over the world. */
const PLACES = [
  ['203.0.113.0/24', { country: 'Germany', state: 'Land Berlin', city: 'Berlin', latitude: 52.52, longitude: 13.4 }],
  ['198.51.100.0/24', { country: 'France', state: 'Ile-de-France', city: 'Paris', latitude: 48.86, longitude: 2.35 }],
  ['45.83.90.0/24', { country: 'Brazil', state: 'Sao Paulo', city: 'Sao Paulo', latitude: -23.55, longitude: -46.63 }],
  ['192.0.2.0/24', { country: 'Australia', state: 'New South Wales', city: 'Sydney', latitude: -33.87, longitude: 151.21 }],
];

/** place is empty for an address that the database lacks, such as a private one. */
const place = (ip) => new Dynamic({ ...PLACES.find(([range]) => ipv4InRange(ip, range) === true)?.[1] });

/** distance on the sphere, in metres; the engine uses the ellipsoid, which differs by half a percent at most. */
function distance(lon1, lat1, lon2, lat2) {
  const rad = (d) => (Number(num(d)) * Math.PI) / 180;
  const h = Math.sin((rad(lat2) - rad(lat1)) / 2) ** 2 + Math.cos(rad(lat1)) * Math.cos(rad(lat2)) * Math.sin((rad(lon2) - rad(lon1)) / 2) ** 2;
  return 2 * 6371000 * Math.asin(Math.sqrt(h));
}

const FUNCTIONS = {
  // emptiness
  isnull: isNull, isnotnull: (v) => !isNull(v), isempty: isEmpty, isnotempty: (v) => !isEmpty(v), notempty: (v) => !isEmpty(v),
  not: (v) => { const b = V.toBool(v); return b === null ? null : !b; },
  // conversion
  tostring: (v) => toText(v), tolong: (v) => toLong(v), toint: (v) => toLong(v), toreal: (v) => toReal(v), todouble: (v) => toReal(v),
  tobool: (v) => V.toBool(v), todatetime: (v) => V.toDateTime(v), totimespan: (v) => V.toTimeSpan(v), toguid: (v) => V.toGuid(v),
  parse_json: (v) => (v instanceof Dynamic ? (typeof v.v === 'string' ? V.parseJSON(v.v) : v) : V.parseJSON(toText(v))),
  gettype: (v) => (v === null ? 'null' : bagOf(v) ? 'dictionary' : arrayOf(v) ? 'array' : V.typeOf(unwrap(v))),
  // text
  strcat: (...a) => a.slice(0, -1).map(toText).join(''),
  strcat_array: (a, d) => (arrayOf(a) ?? []).map((x) => toText(dynamic(x))).join(toText(d)),
  strcat_delim: (d, ...a) => a.slice(0, -1).map(toText).join(toText(d)),
  strlen: (s) => BigInt(code(toText(s)).length), tolower: (s) => toText(s).toLowerCase(), toupper: (s) => toText(s).toUpperCase(),
  substring,
  split: (s, d, ...rest) => {
    const parts = toText(s).split(toText(d));
    return new Dynamic(rest.length > 1 ? parts.slice(Number(rest[0]), Number(rest[0]) + 1) : parts);
  },
  replace_string: (s, a, b) => toText(s).split(toText(a)).join(toText(b)),
  replace_regex: (s, p, r) => toText(s).replace(regex(toText(p), 'g'), toText(r).replace(/\$/g, '$$$$').replace(/\\(\d)/g, '$$$1')),
  trim: (p, s) => toText(s).replace(regex(`^(?:${toText(p)})`), '').replace(regex(`(?:${toText(p)})$`), ''),
  trim_start: (p, s) => toText(s).replace(regex(`^(?:${toText(p)})`), ''),
  trim_end: (p, s) => toText(s).replace(regex(`(?:${toText(p)})$`), ''),
  indexof: (s, t, ...rest) => { if (rest.length > 1) throw new Unsupported('indexof with a start'); return BigInt(toText(s).indexOf(toText(t))); },
  countof: (s, t, ...rest) => { if (rest.length > 1) throw new Unsupported('countof with a kind'); return BigInt(toText(s).split(toText(t)).length - 1); },
  extract, extract_all: extractAll, reverse: (s) => code(toText(s)).reverse().join(''),
  has_any_ipv4_prefix: (s, ...a) => hasAnyIPv4Prefix(s, texts(a.slice(0, -1))),
  parse_ipv6_mask: parseIPv6Mask,
  ipv4_is_private: isPrivate, ipv4_is_in_range: ipv4InRange,
  ipv4_is_in_any_range: (ip, ...a) => { const r = texts(a.slice(0, -1)).map((x) => ipv4InRange(ip, x)); return r.every(isNull) ? null : r.some(Boolean); },
  geo_info_from_ip_address: place, geo_distance_2points: all(distance),
  // time
  now: (...a) => (a.length > 1 ? new DateTime(a[1].now.t + a[0].t) : a[0].now),
  ago: all((d, ctx) => new DateTime(ctx.now.t - d.t)),
  startofday: startOf('day'), startofweek: startOf('week'), startofmonth: startOf('month'), startofyear: startOf('year'),
  endofday: (d) => (d === null ? null : new DateTime(START.day(d).t + DAY - 1n)),
  dayofweek: (d) => (d === null ? null : new TimeSpan(BigInt(date(d).getUTCDay()) * DAY)),
  hourofday: (d) => (d === null ? null : BigInt(date(d).getUTCHours())), getyear: (d) => (d === null ? null : BigInt(date(d).getUTCFullYear())),
  monthofyear: (d) => (d === null ? null : BigInt(date(d).getUTCMonth() + 1)), dayofmonth: (d) => (d === null ? null : BigInt(date(d).getUTCDate())),
  datetime_diff: (p, a, b) => dateDiff(toText(p).toLowerCase(), a, b),
  datetime_add: (p, n, d) => {
    const unit = { ...PERIODS, week: 7n * DAY }[toText(p).toLowerCase()];
    if (!unit) throw new Unsupported(`datetime_add of ${p}`);
    return n === null || d === null ? null : new DateTime(d.t + n * unit);
  },
  unixtime_milliseconds_todatetime: (n) => (n === null ? null : new DateTime(toLong(n) * 10000n + EPOCH)),
  // numbers
  bin: floorTo, floor: floorTo, round, abs: all((v) => { const n = num(v); return n < 0 ? -n : n; }),
  ceiling: all((v) => (typeof num(v) === 'bigint' ? num(v) : Math.ceil(num(v)))), sqrt: all((v) => Math.sqrt(Number(num(v)))),
  log: all((v) => Math.log(Number(num(v)))), log10: all((v) => Math.log10(Number(num(v)))), pow: all((a, b) => Number(num(a)) ** Number(num(b))),
  exp: all((v) => Math.exp(Number(num(v)))), isnan: (v) => Number.isNaN(v), isfinite: (v) => Number.isFinite(toReal(v)),
  max_of: extreme(1), min_of: extreme(-1),
  // dynamic
  array_length: (v) => (arrayOf(v) ? BigInt(arrayOf(v).length) : null),
  array_concat: (...a) => new Dynamic(a.slice(0, -1).flatMap((x) => arrayOf(x) ?? [])),
  array_index_of: (a, v) => BigInt((arrayOf(a) ?? []).findIndex((x) => V.key(dynamic(x)) === V.key(v))),
  array_slice: (a, s, e) => {
    const l = arrayOf(a);
    if (!l) return null;
    const at = (n) => (n < 0n ? l.length + Number(n) : Number(n));
    return new Dynamic(l.slice(at(s), at(e) + 1));
  },
  array_sort_asc: (a, ...rest) => { if (rest.length > 1) throw new Unsupported('array_sort_asc of several arrays'); return arrayOf(a) ? new Dynamic([...arrayOf(a)].sort((x, y) => V.order(dynamic(x), dynamic(y)))) : null; },
  pack_array: (...a) => new Dynamic(a.slice(0, -1).map(inner)),
  bag_pack: bagPack, pack: bagPack, bag_keys: (b) => (bagOf(b) ? new Dynamic(Object.keys(bagOf(b))) : null),
  bag_has_key: (b, k) => (bagOf(b) ? Object.hasOwn(bagOf(b), toText(k)) : false),
  bag_merge: (...a) => new Dynamic(a.slice(0, -1).reduce((m, b) => ({ ...bagOf(b), ...m }), {})),
  bag_remove_keys: (b, keys) => (bagOf(b) ? new Dynamic(Object.fromEntries(Object.entries(bagOf(b)).filter(([k]) => !texts([keys]).includes(k)))) : null),
  set_has_element: (a, v) => (arrayOf(a) ?? []).some((x) => V.key(dynamic(x)) === V.key(v)),
  set_difference: (a, ...b) => {
    const gone = new Set(b.slice(0, -1).flatMap((x) => arrayOf(x) ?? []).map((x) => V.key(dynamic(x))));
    return new Dynamic([...new Map((arrayOf(a) ?? []).map((x) => [V.key(dynamic(x)), x])).values()].filter((x) => !gone.has(V.key(dynamic(x)))));
  },
  set_union: (...a) => new Dynamic([...new Map(a.slice(0, -1).flatMap((x) => arrayOf(x) ?? []).map((x) => [V.key(dynamic(x)), x])).values()]),
  set_intersect: (a, b) => {
    const there = new Set((arrayOf(b) ?? []).map((x) => V.key(dynamic(x))));
    return new Dynamic([...new Map((arrayOf(a) ?? []).map((x) => [V.key(dynamic(x)), x])).values()].filter((x) => there.has(V.key(dynamic(x)))));
  },
};
FUNCTIONS.todynamic = FUNCTIONS.parse_json;
FUNCTIONS.toboolean = FUNCTIONS.tobool;
FUNCTIONS.array_sort_desc = (a, ...rest) => { const s = FUNCTIONS.array_sort_asc(a, ...rest); return s ? new Dynamic(s.v.reverse()) : null; };

module.exports = { FUNCTIONS, regex, arrayOf, bagOf, inner, num };
