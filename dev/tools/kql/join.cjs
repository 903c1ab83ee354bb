'use strict';
// join and lookup. A null key joins with nothing; an empty string is a value.

const V = require('./values.cjs');
const { Unsupported } = V;
const { kindOf, elements } = require('./kusto.cjs');

const side = (e) => (kindOf(e) === 'PathExpression' && kindOf(e.Expression) === 'NameReference' ? e.Expression.SimpleName : '');

/** keysOf gives [left column, right column] for each equality of the condition. */
function keysOf(clause) {
  if (kindOf(clause) !== 'JoinOnClause') throw new Unsupported(`join with ${kindOf(clause)}`);
  const pair = (e) => {
    if (kindOf(e) === 'ParenthesizedExpression') return pair(e.Expression);
    if (kindOf(e) === 'NameReference') return [[e.SimpleName, e.SimpleName]];
    if (kindOf(e) === 'BinaryExpression' && e.Operator.Text.trim() === 'and') return [...pair(e.Left), ...pair(e.Right)];
    if (kindOf(e) !== 'BinaryExpression' || e.Operator.Text.trim() !== '==') throw new Unsupported(`join on ${e.ToString(1).trim()}`);
    const at = { [side(e.Left)]: e.Left, [side(e.Right)]: e.Right };
    if (!at.$left || !at.$right) throw new Unsupported(`join on ${e.ToString(1).trim()}`);
    return [[at.$left.Selector.SimpleName, at.$right.Selector.SimpleName]];
  };
  return elements(clause.Expressions).flatMap(pair);
}

function keyed(table, names) {
  const places = names.map((n) => {
    const i = table.columns.findIndex((c) => c.name === n);
    if (i < 0) throw new Error(`join: no column ${n}`);
    return i;
  });
  return table.rows.map((r) => {
    const values = places.map((i) => r.cells[i]);
    return { cells: r.cells, key: values.some((v) => v === null) ? null : values.map(V.key).join('\u0001') };
  });
}

function byKey(rows) {
  const map = new Map();
  for (const r of rows) {
    if (r.key === null) continue;
    if (!map.has(r.key)) map.set(r.key, []);
    map.get(r.key).push(r);
  }
  return map;
}

const blank = (table) => table.columns.map((c) => V.nullOf(c.type));

/** sides evaluates the right table and both sides' keys. */
function sides(tables, expression, clause, scope, left) {
  const right = tables.eval(expression, scope);
  const keys = keysOf(clause);
  return { right, keys, l: keyed(left, keys.map((k) => k[0])), r: keyed(right, keys.map((k) => k[1])) };
}

/** Kinds of join that give nothing when the left side is empty: the right side is not evaluated then. */
const OF_THE_LEFT = new Set(['innerunique', 'inner', 'leftsemi', 'anti', 'leftanti', 'leftantisemi', 'leftouter']);

function joined(tables, expression, clause, kind, scope, left) {
  if (left.rows.length === 0 && OF_THE_LEFT.has(kind)) return [];
  const s = sides(tables, expression, clause, scope, left);
  let { l } = s;
  const { r, right } = s;
  const inRight = byKey(r);
  const inLeft = byKey(l);
  const hits = (map, row) => (row.key === null ? [] : map.get(row.key) ?? []);
  const pairs = (rows) => rows.flatMap((a) => hits(inRight, a).map((b) => ({ cells: [...a.cells, ...b.cells] })));
  const alone = (rows, map) => rows.filter((x) => hits(map, x).length === 0);
  switch (kind) {
    case 'innerunique':
      l = [...byKey(l).values()].map((rows) => rows[0]);
      return pairs(l);
    case 'inner': return pairs(l);
    case 'leftsemi': return l.filter((a) => hits(inRight, a).length > 0).map((a) => ({ cells: a.cells }));
    case 'rightsemi': return r.filter((b) => hits(inLeft, b).length > 0).map((b) => ({ cells: b.cells }));
    case 'anti': case 'leftanti': case 'leftantisemi': return alone(l, inRight).map((a) => ({ cells: a.cells }));
    case 'rightanti': case 'rightantisemi': return alone(r, inLeft).map((b) => ({ cells: b.cells }));
    case 'leftouter': return [...pairs(l), ...alone(l, inRight).map((a) => ({ cells: [...a.cells, ...blank(right)] }))];
    case 'rightouter': return [...pairs(l), ...alone(r, inLeft).map((b) => ({ cells: [...blank(left), ...b.cells] }))];
    case 'fullouter': return [
      ...pairs(l), ...alone(l, inRight).map((a) => ({ cells: [...a.cells, ...blank(right)] })),
      ...alone(r, inLeft).map((b) => ({ cells: [...blank(left), ...b.cells] })),
    ];
    default: throw new Unsupported(`join kind=${kind}`);
  }
}

function lookedUp(tables, expression, clause, kind, scope, left) {
  if (kind !== 'leftouter' && kind !== 'inner') throw new Unsupported(`lookup kind=${kind}`);
  const { right, keys, l, r } = sides(tables, expression, clause, scope, left);
  const gone = new Set(keys.map((k) => k[1]));
  const kept = right.columns.map((c, i) => (gone.has(c.name) ? -1 : i)).filter((i) => i >= 0);
  const map = byKey(r);
  return l.flatMap((a) => {
    const found = a.key === null ? [] : map.get(a.key) ?? [];
    if (found.length > 0) return found.map((b) => ({ cells: [...a.cells, ...kept.map((i) => b.cells[i])] }));
    return kind === 'inner' ? [] : [{ cells: [...a.cells, ...kept.map((i) => V.nullOf(right.columns[i].type))] }];
  });
}

module.exports = { joined, lookedUp };
