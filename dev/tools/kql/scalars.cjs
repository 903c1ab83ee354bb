'use strict';
// Operators between values: text, arithmetic, comparison, logic.

const V = require('./values.cjs');
const { DateTime, TimeSpan, Unsupported, unwrap, toText, toReal } = V;
const { regex, num } = require('./functions.cjs');

// --- text ---

const WORD = /[\p{L}\p{N}]/u;

/** hasTerm finds t as a whole term: not inside a longer run of letters and digits. */
function hasTerm(s, t, before = true, after = true) {
  if (t === '') return true;
  for (let i = s.indexOf(t); i >= 0; i = s.indexOf(t, i + 1)) {
    const left = !before || i === 0 || !WORD.test(s[i - 1]) || !WORD.test(t[0]);
    const end = i + t.length;
    const right = !after || end === s.length || !WORD.test(s[end]) || !WORD.test(t[t.length - 1]);
    if (left && right) return true;
  }
  return false;
}

const TEXT = {
  '=~': (a, b) => a === b, has: hasTerm, contains: (a, b) => a.includes(b), startswith: (a, b) => a.startsWith(b), endswith: (a, b) => a.endsWith(b),
  hasprefix: (a, b) => hasTerm(a, b, true, false), hassuffix: (a, b) => hasTerm(a, b, false, true),
};

function textOperator(op, a, b) {
  const x = toText(a);
  const y = toText(b);
  if (op === 'matches regex') return regex(y).test(x);
  if (op === '!~') return x.toLowerCase() !== y.toLowerCase();
  const negated = op.startsWith('!');
  const cs = op.endsWith('_cs');
  const f = TEXT[op.slice(negated ? 1 : 0, cs ? -3 : undefined)];
  if (!f) throw new Unsupported(`operator ${op}`);
  return f(cs ? x : x.toLowerCase(), cs ? y : y.toLowerCase()) !== negated;
}

// --- arithmetic and comparison ---

function divide(a, b) {
  if (typeof a === 'bigint' && typeof b === 'bigint') return b === 0n ? null : a / b;
  return toReal(a) / toReal(b);
}

const ARITHMETIC = {
  '+': (a, b) => a + b, '-': (a, b) => a - b, '*': (a, b) => a * b,
  '%': (a, b) => (typeof b === 'bigint' && b === 0n ? null : a % b),
};

function arithmetic(op, a, b) {
  a = unwrap(a);
  b = unwrap(b);
  if (a === null || b === null) return null;
  const time = (v) => v instanceof TimeSpan;
  if (a instanceof DateTime || b instanceof DateTime) {
    if (op === '-' && b instanceof DateTime) return new TimeSpan(a.t - b.t);
    if (op === '+' && (time(b) || time(a))) return new DateTime(a.t + b.t);
    if (op === '-' && time(b)) return new DateTime(a.t - b.t);
    throw new Unsupported(`${V.typeOf(a)} ${op} ${V.typeOf(b)}`);
  }
  if (time(a) || time(b)) {
    if (time(a) && time(b)) {
      if (op === '/') return Number(a.t) / Number(b.t);
      if (op === '+' || op === '-') return new TimeSpan(ARITHMETIC[op](a.t, b.t));
    }
    if (op === '*') return new TimeSpan(BigInt(Math.round(Number(time(a) ? a.t : b.t) * Number(time(a) ? b : a))));
    if (op === '/' && time(a)) return new TimeSpan(BigInt(Math.round(Number(a.t) / Number(b))));
    throw new Unsupported(`${V.typeOf(a)} ${op} ${V.typeOf(b)}`);
  }
  a = num(a);
  b = num(b);
  if (a === null || b === null) return null;
  if (op === '/') return divide(a, b);
  return typeof a === typeof b ? ARITHMETIC[op](a, b) : ARITHMETIC[op](Number(a), Number(b));
}

/** compare follows Kusto: equality of null with a value is false, of two nulls null; other comparisons with null are null. */
function compare(op, a, b) {
  a = unwrap(a);
  b = unwrap(b);
  if (op === '<>') op = '!=';
  if (op === '==' || op === '!=') {
    if (a === null && b === null) return null;
    if ((a === null && b === '') || (b === null && a === '')) throw new Unsupported('null compared with an empty string, use isempty()');
    const equal = a !== null && b !== null && V.order(a, b) === 0;
    return equal === (op === '==');
  }
  if (a === null || b === null) return null;
  const o = V.order(a, b);
  return { '<': o < 0, '<=': o <= 0, '>': o > 0, '>=': o >= 0 }[op];
}

function logical(op, left, right) {
  const a = V.toBool(left());
  if (op === 'and') {
    if (a === false) return false;
    const b = V.toBool(right());
    return b === false ? false : a === null || b === null ? null : true;
  }
  if (a === true) return true;
  const b = V.toBool(right());
  return b === true ? true : a === null || b === null ? null : false;
}

module.exports = { hasTerm, textOperator, arithmetic, compare, logical };
