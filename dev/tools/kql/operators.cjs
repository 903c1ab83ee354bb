'use strict';
// Tabular operators. A table is {columns: [{name, type}], rows: [{cells, ingested}]}.
//
// The columns of every result are those that the real parser computed for the
// node; here only the cells are made. Two guards keep the two from drifting
// apart: the number of cells must fit, and each value must have its column's type.

const V = require('./values.cjs');
const { Unsupported, Dynamic, TimeSpan, DateTime, dynamic } = V;
const { kindOf, elements, list, columnsOf, once, visit } = require('./kusto.cjs');
const { Evaluator, compiled, lookup } = require('./expressions.cjs');
const { aggregate, pick, PICKERS, isAggregate } = require('./aggregates.cjs');
const { arrayOf, bagOf } = require('./functions.cjs');
const join = require('./join.cjs');

/** MissingTable is what union isfuzzy=true forgives. */
class MissingTable extends Error {}

const indexOf = (columns) => new Map(columns.map((c, i) => [c.name, i]));

function checked(columns, rows, what) {
  const types = columns.map((c) => c.type);
  for (const { cells } of rows) {
    if (cells.length !== columns.length) throw new Error(`${what}: ${cells.length} values for ${columns.length} columns (${columns.map((c) => c.name).join(', ')})`);
    for (let i = 0; i < types.length; i++) {
      if (!V.fits(cells[i], types[i])) throw new Error(`${what}: column ${columns[i].name} is ${types[i]}, its value ${V.typeOf(cells[i])}`);
    }
  }
  return { columns, rows };
}

const keyOf = (cells) => (cells.length === 1 ? V.key(cells[0]) : cells.map(V.key).join('\u0001'));

/** settle gives a value the column's type where Kusto converts without being asked. */
function settle(v, type) {
  if (typeof v === 'string' && type === 'string') return v;
  if (v === null) return V.nullOf(type);
  if (type === 'dynamic' && !(v instanceof Dynamic)) return new Dynamic(v);
  if (v instanceof Dynamic && type !== 'dynamic') return V.convert(v, type);
  if (type === 'real' && typeof v === 'bigint') return Number(v);
  if (type === 'long' && typeof v === 'number' && Number.isInteger(v)) return BigInt(v);
  return v;
}

const parameter = (node, name) => {
  const p = list(node.Parameters).find((x) => x.Name.SimpleName === name);
  return p ? p.Expression.ToString(1).trim() : null;
};

function onlyParameters(node, known) {
  for (const p of list(node.Parameters)) {
    if (!known.includes(p.Name.SimpleName)) throw new Unsupported(`parameter ${p.Name.SimpleName} of ${kindOf(node)}`);
  }
}

const HINTS = ['hint.strategy', 'hint.shufflekey', 'hint.remote', 'hint.num_partitions'];

/** watchlist is a watchlist by its search keys. One that does not exist has the columns, and no rows. */
const watchlist = (keys) => ({
  columns: [{ name: 'SearchKey', type: 'string' }, { name: 'LastUpdatedTimeUTC', type: 'datetime' }, { name: '_DTItemId', type: 'string' }],
  rows: keys.map((k) => ({ cells: [k, null, ''] })),
});

/** MOVES are the operators that make no cells of their own. */
const MOVES = new Set(['FilterOperator', 'SortOperator', 'TopOperator', 'TakeOperator', 'JoinOperator', 'SerializeOperator', 'AsOperator']);

/** aggregatesIn lists the aggregate calls of an expression. */
const aggregatesIn = once((node) => {
  const calls = [];
  visit(node, (n) => {
    if (kindOf(n) === 'FunctionCallExpression' && isAggregate(n.Name.SimpleName)) calls.push(n);
  });
  return calls;
});

class Tables {
  /** @param tables {name: {columns, rows}} of the workspace; run: {now, watchlists} */
  constructor(tables, run) {
    this.workspace = tables;
    this.run = run;
    this.scalar = new Evaluator((n, s) => this.eval(n, s), run);
  }

  /** eval evaluates a tabular node; input is what is piped into it. */
  eval(node, scope, input) {
    const kind = kindOf(node);
    switch (kind) {
      case 'PipeExpression': return this.eval(node.Operator, scope, this.eval(node.Expression, scope, input));
      case 'ParenthesizedExpression': case 'MaterializeExpression': return this.eval(node.Expression, scope, input);
      case 'NameReference': return this.named(node.SimpleName, scope);
      case 'FunctionCallExpression': return this.called(node, scope, input);
      case 'DataTableExpression': return this.dataTable(node, scope);
      case 'RenderOperator': return input;
    }
    const f = this[kind];
    if (!f) throw new Unsupported(`operator ${kind}`);
    const columns = columnsOf(node.ResultType);
    if (!columns) throw new Unsupported(`${kind} whose result the parser does not know`);
    const rows = f.call(this, node, scope, input, columns);
    return MOVES.has(kind) ? { columns, rows } : checked(columns, rows, kind);
  }

  named(name, scope) {
    const v = lookup(scope, name);
    if (v && v.kind === 'table') return v.rows();
    if (v && v.kind === 'function') return this.scalar.tabularCall(v, [], scope, null);
    if (!Object.hasOwn(this.workspace, name)) throw new MissingTable(`no table ${name}`);
    return this.workspace[name];
  }

  called(node, scope, input) {
    const name = node.Name.SimpleName;
    const args = elements(node.ArgumentList.Expressions);
    const fn = lookup(scope, name);
    if (fn && fn.kind === 'function') return this.scalar.tabularCall(fn, args, scope, null, input);
    if (name === 'materialize') return this.eval(args[0], scope);
    if (name === '_GetWatchlist') return watchlist(this.run.watchlists[V.toText(this.scalar.eval(args[0], scope, null))] ?? []);
    throw new Unsupported(`tabular function ${name}()`);
  }

  dataTable(node, scope) {
    const columns = columnsOf(node.ResultType);
    const values = elements(node.Values).map((v) => this.scalar.eval(v, scope, null));
    if (values.length % columns.length !== 0) throw new Error('datatable: the values do not fill the last row');
    const rows = [];
    for (let i = 0; i < values.length; i += columns.length) rows.push({ cells: columns.map((c, j) => settle(values[i + j], c.type)) });
    return checked(columns, rows, 'datatable');
  }

  /** rowsOf gives each row the form that expressions look at. */
  rowsOf(input) {
    const index = indexOf(input.columns);
    return input.rows.map((r, at) => ({ index, cells: r.cells, ingested: r.ingested, at, all: input.rows }));
  }

  /** each calls f for each row, which has the form that expressions look at only during the call. */
  each(input, f) {
    const r = { index: indexOf(input.columns), cells: null, ingested: null, at: 0, all: input.rows };
    const out = [];
    for (let i = 0; i < input.rows.length; i++) {
      r.cells = input.rows[i].cells;
      r.ingested = input.rows[i].ingested;
      r.at = i;
      f(r, out);
    }
    return out;
  }

  FilterOperator(node, scope, input) {
    const condition = compiled(node.Condition);
    return this.each(input, (r, out) => { if (V.toBool(condition(this.scalar, scope, r)) === true) out.push(input.rows[r.at]); });
  }

  ExtendOperator(node, scope, input, columns) {
    const index = indexOf(columns);
    const made = elements(node.Expressions).map((e) => {
      const i = index.get(this.resultName(e));
      if (i === undefined) throw new Unsupported(`extend without a name: ${e.ToString(1).trim()}`);
      return { i, f: compiled(e), type: columns[i].type };
    });
    return this.each(input, (r, out) => {
      const cells = r.cells.slice(); // new columns come last, replaced ones keep their place
      for (const m of made) cells[m.i] = settle(m.f(this.scalar, scope, r), m.type);
      out.push({ cells, ingested: r.ingested });
    });
  }

  resultName(e) {
    return kindOf(e) === 'SimpleNamedExpression' ? e.Name.SimpleName : e.SimpleName;
  }

  ProjectOperator(node, scope, input, columns) {
    const made = elements(node.Expressions).map((e) => compiled(e));
    return this.each(input, (r, out) => { out.push({ cells: made.map((f, i) => settle(f(this.scalar, scope, r), columns[i]?.type)), ingested: r.ingested }); });
  }

  /** reshape moves cells by name: project-away, -keep and -reorder. */
  reshape(input, columns) {
    const index = indexOf(input.columns);
    return input.rows.map((r) => ({ cells: columns.map((c) => r.cells[index.get(c.name)]), ingested: r.ingested }));
  }

  ProjectAwayOperator(node, scope, input, columns) { return this.reshape(input, columns); }
  ProjectKeepOperator(node, scope, input, columns) { return this.reshape(input, columns); }
  ProjectReorderOperator(node, scope, input, columns) { return this.reshape(input, columns); }
  ProjectRenameOperator(node, scope, input) { return input.rows; }
  AsOperator(node, scope, input) { return input.rows; }
  SerializeOperator(node, scope, input, columns) {
    return elements(node.Expressions).length ? this.ExtendOperator(node, scope, input, columns) : input.rows;
  }

  PrintOperator(node, scope, input, columns) {
    return [{ cells: elements(node.Expressions).map((e, i) => settle(this.scalar.eval(e, scope, null), columns[i].type)) }];
  }

  RangeOperator(node, scope, input, columns) {
    let v = this.scalar.eval(node.From, scope, null);
    const to = this.scalar.eval(node.To, scope, null);
    const step = this.scalar.eval(node.Step, scope, null);
    const rows = [];
    for (; V.order(v, to) <= 0; rows.length) {
      if (rows.length > 100000) throw new Error('range: more than 100,000 rows');
      rows.push({ cells: [settle(v, columns[0].type)] });
      v = v instanceof DateTime ? new DateTime(v.t + step.t) : v instanceof TimeSpan ? new TimeSpan(v.t + step.t) : v + step;
    }
    return rows;
  }

  CountOperator(node, scope, input) { return [{ cells: [BigInt(input.rows.length)] }]; }

  TakeOperator(node, scope, input) { return input.rows.slice(0, Number(this.scalar.eval(node.Expression, scope, null))); }

  /** sorted is stable; without a word the order is descending; nulls come last then, first when ascending. */
  sorted(input, keys, scope) {
    const by = keys.map((k) => {
      const ordered = kindOf(k) === 'OrderedExpression';
      const word = ordered ? k.Ordering.ToString(1).trim() : '';
      const asc = word.startsWith('asc');
      const first = /nulls\s+first/.test(word) || (asc && !/nulls\s+last/.test(word));
      return { e: ordered ? k.Expression : k, asc, first };
    });
    const rows = this.rowsOf(input).map((r) => ({ r, keys: by.map((b) => this.scalar.eval(b.e, scope, r)) }));
    rows.sort((x, y) => {
      for (let i = 0; i < by.length; i++) {
        const [a, b] = [x.keys[i], y.keys[i]];
        if (a === null || b === null) {
          if (a === b) continue;
          return (a === null) === by[i].first ? -1 : 1;
        }
        const o = V.order(a, b);
        if (o !== 0) return by[i].asc ? o : -o;
      }
      return 0;
    });
    return rows.map((x) => input.rows[x.r.at]);
  }

  SortOperator(node, scope, input) { return this.sorted(input, elements(node.Expressions), scope); }

  TopOperator(node, scope, input) {
    return this.sorted(input, [node.ByExpression], scope).slice(0, Number(this.scalar.eval(node.Expression, scope, null)));
  }

  DistinctOperator(node, scope, input, columns) {
    const star = elements(node.Expressions).some((e) => kindOf(e) === 'StarExpression');
    const rows = star ? input.rows.map((r) => ({ cells: r.cells })) : this.ProjectOperator(node, scope, input, columns);
    return [...new Map(rows.map((r) => [keyOf(r.cells), { cells: r.cells }])).values()];
  }

  SummarizeOperator(node, scope, input, columns) {
    onlyParameters(node, HINTS);
    const by = node.ByClause ? elements(node.ByClause.Expressions) : [];
    if (node.ByClause && node.ByClause.BinClause) throw new Unsupported('summarize with bin=');
    const keyed = by.map((e) => compiled(e));
    const groups = new Map();
    for (const r of this.rowsOf(input)) {
      const keys = keyed.map((f, i) => settle(f(this.scalar, scope, r), columns[i].type));
      const k = keyOf(keys);
      const group = groups.get(k);
      if (group) group.rows.push(r);
      else groups.set(k, { keys, rows: [r] });
    }
    if (by.length === 0 && groups.size === 0) groups.set('', { keys: [], rows: [] });
    const made = elements(node.Aggregates);
    const plainKeys = new Set(by.filter((e) => kindOf(e) === 'NameReference').map((e) => e.SimpleName));
    return [...groups.values()].map((g) => {
      const cells = [...g.keys];
      for (const e of made) for (const v of this.aggregated(e, g.rows, scope, input.columns, plainKeys)) cells.push(settle(v, columns[cells.length]?.type));
      return { cells };
    });
  }

  /** aggregated gives the cells of one aggregate expression: several for arg_max. */
  aggregated(e, rows, scope, columns, keys) {
    const node = kindOf(e) === 'SimpleNamedExpression' ? e.Expression : e;
    const name = kindOf(node) === 'FunctionCallExpression' ? node.Name.SimpleName : '';
    if (PICKERS.has(name)) return this.picked(name, elements(node.ArgumentList.Expressions), rows, scope, columns, keys);
    return [this.overGroup(node, rows, scope)];
  }

  /** overGroup evaluates an expression in which aggregate calls stand for the group's values. */
  overGroup(node, rows, scope) {
    const values = new Map();
    for (const call of aggregatesIn(node)) {
      const args = elements(call.ArgumentList.Expressions).map((a) => compiled(a));
      values.set(call, aggregate(call.Name.SimpleName)(rows.map((r) => args.map((f) => f(this.scalar, scope, r)))));
    }
    return new Evaluator(this.scalar.tabular, this.run, values).eval(node, scope, null);
  }

  picked(name, args, rows, scope, columns, keys) {
    const any = name === 'take_any' || name === 'any';
    const row = pick(name, rows, (r) => this.scalar.eval(args[0], scope, r));
    const cells = any ? [] : [row ? this.scalar.eval(args[0], scope, row) : null];
    const compared = !any && kindOf(args[0]) === 'NameReference' ? args[0].SimpleName : null;
    for (const a of any ? args : args.slice(1)) {
      if (kindOf(a) !== 'StarExpression') {
        cells.push(row ? this.scalar.eval(a, scope, row) : null);
        continue;
      }
      columns.forEach((c, i) => {
        if (!keys.has(c.name) && c.name !== compared) cells.push(row ? row.cells[i] : null);
      });
    }
    return cells;
  }

  MvExpandOperator(node, scope, input, columns) {
    onlyParameters(node, ['bagexpansion', 'kind']);
    const made = elements(node.Expressions);
    if (made.length !== 1) throw new Unsupported('mv-expand of several columns');
    if (node.RowLimitClause) throw new Unsupported('mv-expand with limit');
    const e = made[0].Expression;
    // todynamic(x), without a name, is called x.
    const target = indexOf(columns).get(kindOf(e) === 'FunctionCallExpression' ? elements(e.ArgumentList.Expressions)[0]?.SimpleName : this.resultName(e));
    if (target === undefined) throw new Unsupported(`mv-expand of ${e.ToString(1).trim()} without a name`);
    const rows = [];
    for (const r of this.rowsOf(input)) {
      const v = this.scalar.eval(e, scope, r);
      const items = arrayOf(v)?.map(dynamic) ?? (bagOf(v) ? Object.entries(bagOf(v)).map(([k, x]) => new Dynamic({ [k]: x })) : [v]);
      for (const item of items.length ? items : [null]) {
        const cells = columns.map((c) => r.cells[r.index.get(c.name)]);
        cells[target] = columns[target].type === 'dynamic' ? item : V.convert(item, columns[target].type);
        rows.push({ cells, ingested: r.ingested });
      }
    }
    return rows;
  }

  UnionOperator(node, scope, input, columns) {
    onlyParameters(node, ['isfuzzy', 'kind']);
    const fuzzy = parameter(node, 'isfuzzy') === 'true';
    const kind = parameter(node, 'kind');
    if (kind && kind !== 'outer') throw new Unsupported(`union kind=${kind}`);
    const legs = input ? [input] : [];
    for (const e of elements(node.Expressions)) {
      try {
        legs.push(this.eval(e, scope));
      } catch (err) {
        if (!fuzzy || !(err instanceof MissingTable)) throw err;
      }
    }
    for (const c of columns) {
      // The parser splits a column of different types in two, and goes on as if a
      // missing table were there; the engine leaves that leg out, column and all.
      if (!legs.some((leg) => leg.columns.some((x) => x.name === c.name))) throw new Unsupported(`union with column ${c.name}, from columns of different types or a missing table`);
    }
    return legs.flatMap((leg) => {
      const index = indexOf(leg.columns);
      for (const c of leg.columns) {
        const out = columns.find((x) => x.name === c.name);
        if (!out || out.type !== c.type) throw new Unsupported(`union of columns ${c.name} of different types`);
      }
      return leg.rows.map((r) => ({ cells: columns.map((c) => (index.has(c.name) ? r.cells[index.get(c.name)] : V.nullOf(c.type))), ingested: r.ingested }));
    });
  }

  InvokeOperator(node, scope, input) { return this.called(node.Function, scope, input).rows; }

  JoinOperator(node, scope, input) {
    onlyParameters(node, ['kind', ...HINTS]);
    return join.joined(this, node.Expression, node.ConditionClause, parameter(node, 'kind') ?? 'innerunique', scope, input);
  }

  LookupOperator(node, scope, input) {
    onlyParameters(node, ['kind', ...HINTS]);
    return join.lookedUp(this, node.Expression, node.LookupClause, parameter(node, 'kind') ?? 'leftouter', scope, input);
  }
}

module.exports = { Tables };
