'use strict';
// Scalar expressions: evaluates a syntax node for one row.
//
// A scope is {vars: Map, parent, run}; the row in hand is {index, cells,
// ingested, at} with index = Map of column name to place.

const V = require('./values.cjs');
const { DateTime, TimeSpan, Dynamic, Unsupported, dynamic, unwrap, toText } = V;
const { kindOf, elements, once, visit } = require('./kusto.cjs');
const { FUNCTIONS, arrayOf, bagOf, inner } = require('./functions.cjs');
const { isAggregate } = require('./aggregates.cjs');
const { literal, jsonLiteral } = require('./literals.cjs');
const { hasTerm, textOperator, arithmetic, compare, logical } = require('./scalars.cjs');

function lookup(scope, name) {
  for (let s = scope; s; s = s.parent) if (s.vars.has(name)) return s.vars.get(name);
  return null;
}

const child = (scope) => ({ vars: new Map(), parent: scope, run: scope.run });

const operatorOf = once((node) => node.Operator.Text.trim().replace(/\s+/g, ' '));
const isTable = once((node) => Boolean(node.ResultType && node.ResultType.Columns));

// --- compiling ---
//
// A node becomes a function (evaluator, scope, row) once, because a query looks at the same nodes for every row.

/** compiled gives the function of a node. */
const compiled = once((node) => {
  const build = BUILD[kindOf(node)];
  if (!build) return () => { throw new Unsupported(`expression ${kindOf(node)} "${node.ToString(1).trim().slice(0, 60)}"`); };
  const f = build(node);
  return WORTH_KEEPING.has(kindOf(node)) ? kept(node, f) : f;
});

const WORTH_KEEPING = new Set(['FunctionCallExpression', 'BinaryExpression', 'ElementExpression', 'PathExpression', 'ToScalarExpression']);

/** OF_THE_ROW are functions that look at the row in hand, whatever their arguments. */
const OF_THE_ROW = new Set(['ingestion_time', 'pack_all', 'row_number', 'prev', 'next', 'column_ifexists', 'columnifexists']);

/** namesIn lists the names in a node; null if its value depends on the row in other ways. */
const namesIn = once((node) => {
  const names = new Set();
  let known = true;
  visit(node, (n) => {
    const kind = kindOf(n);
    if (kind === 'NameReference' || kind === 'BracketedExpression') names.add(n.SimpleName);
    if (kind === 'FunctionCallExpression' && (OF_THE_ROW.has(n.Name.SimpleName) || isAggregate(n.Name.SimpleName))) known = false;
  });
  return known ? [...names] : null;
});

/** constantIn tells whether a node has the same value for each row of a table: it names no column. */
function constantIn(node, row) {
  const names = namesIn(node);
  return names !== null && (row === null || names.every((n) => !row.index.has(n)));
}

/** kept remembers the value of a node that has the same for each row of a table. */
function kept(node, f) {
  if (namesIn(node) === null) return f;
  let lastScope = null;
  let lastIndex = null;
  let constant = false;
  let value;
  return (ev, scope, row) => {
    if (row === null) return f(ev, scope, row);
    if (scope === lastScope && row.index === lastIndex) return constant ? value : f(ev, scope, row);
    const v = f(ev, scope, row); // first: it may throw
    constant = constantIn(node, row);
    value = constant ? v : undefined;
    lastScope = scope;
    lastIndex = row.index;
    return v;
  };
}

/** seen is lookup with a memory of the last scope. */
function seen(name) {
  let last = null;
  let found = null;
  return (scope) => {
    if (scope !== last || found === null) {
      found = lookup(scope, name);
      last = scope;
    }
    return found;
  };
}

function named(name) {
  const variable = seen(name);
  let index = null;
  let at;
  return (ev, scope, row) => {
    if (row) {
      if (row.index !== index) {
        index = row.index;
        at = index.get(name);
      }
      if (at !== undefined) return row.cells[at];
    }
    const v = variable(scope);
    if (v && v.kind === 'scalar') return v.value();
    if (v && v.kind === 'function') return ev.tabularCall(v, [], scope, row);
    throw new Error(`no column or variable ${name}`);
  };
}

function memberOf(node) {
  const base = compiled(node.Expression);
  const s = node.Selector;
  const kind = kindOf(s);
  const constant = kind === 'NameReference' ? s.SimpleName : null;
  const chosen = constant !== null ? null : compiled(kind === 'BracketedExpression' || kind === 'BrackettedExpression' ? s.Expression : s);
  return (ev, scope, row) => {
    const v = base(ev, scope, row);
    const selector = chosen ? chosen(ev, scope, row) : constant;
    if (v === null) return null;
    if (!(v instanceof Dynamic)) throw new Unsupported(`member of a ${V.typeOf(v)}`);
    if (typeof selector === 'bigint') {
      const a = arrayOf(v);
      return a ? dynamic(a.at(Number(selector))) : null;
    }
    const bag = bagOf(v);
    return bag && Object.hasOwn(bag, selector) ? dynamic(bag[selector]) : null;
  };
}

const COMPARISONS = ['==', '!=', '<>', '<', '<=', '>', '>='];

function binary(node) {
  const op = operatorOf(node);
  const left = compiled(node.Left);
  const right = compiled(node.Right);
  if (op === 'and' || op === 'or') return (ev, scope, row) => logical(op, () => left(ev, scope, row), () => right(ev, scope, row));
  if (COMPARISONS.includes(op)) return (ev, scope, row) => compare(op, left(ev, scope, row), right(ev, scope, row));
  if ('+-*/%'.includes(op)) return (ev, scope, row) => arithmetic(op, left(ev, scope, row), right(ev, scope, row));
  return (ev, scope, row) => textOperator(op, left(ev, scope, row), right(ev, scope, row));
}

/** valuesOf are what the right side of in and has_any lists: scalars, arrays, or the first column of a table. */
function valuesOf(expressionList, ev, scope, row) {
  return elements(expressionList.Expressions).flatMap((e) => {
    if (isTable(e)) return ev.tabular(e, scope).rows.map((r) => r.cells[0]);
    const v = ev.eval(e, scope, row);
    return arrayOf(v) ? arrayOf(v).map(dynamic) : [v];
  });
}

/** listed gives what make makes of the values, kept where they are the same for each row. */
function listed(expressionList, make) {
  let lastScope = null;
  let lastIndex = null;
  let value;
  return (ev, scope, row) => {
    if (row && scope === lastScope && row.index === lastIndex) return value;
    const v = make(valuesOf(expressionList, ev, scope, row));
    if (row && elements(expressionList.Expressions).every((e) => isTable(e) || constantIn(e, row))) {
      value = v;
      lastScope = scope;
      lastIndex = row.index;
    }
    return v;
  };
}

function inList(node) {
  const op = operatorOf(node);
  const fold = op.endsWith('~') ? (v) => toText(v).toLowerCase() : V.key;
  const left = compiled(node.Left);
  const right = listed(node.Right, (values) => new Set(values.filter((v) => v !== null).map(fold)));
  const negated = op.startsWith('!');
  return (ev, scope, row) => {
    const v = left(ev, scope, row);
    return (v !== null && right(ev, scope, row).has(fold(v))) !== negated;
  };
}

const hasSet = (how) => (node) => {
  const left = compiled(node.Left);
  const right = listed(node.Right, (values) => values.map((v) => toText(v).toLowerCase()));
  return (ev, scope, row) => {
    const text = toText(left(ev, scope, row)).toLowerCase();
    return right(ev, scope, row)[how]((v) => hasTerm(text, v));
  };
};

function between(node) {
  const [left, first, second] = [node.Left, node.Right.First, node.Right.Second].map((n) => compiled(n));
  const negated = node.Operator.Text.trim().startsWith('!');
  return (ev, scope, row) => {
    const v = left(ev, scope, row);
    const from = first(ev, scope, row);
    let to = second(ev, scope, row);
    if (from instanceof DateTime && to instanceof TimeSpan) to = new DateTime(from.t + to.t);
    const inside = logical('and', () => compare('>=', v, from), () => compare('<=', v, to));
    return negated ? (inside === null ? null : !inside) : inside;
  };
}

/** SPECIAL are the functions that look at the row, at names, or at some of their arguments only. */
const SPECIAL = {
  iff: (node, at) => {
    const type = node.ResultType?.Name;
    return (ev, scope, row) => typed(type, (V.toBool(at[0](ev, scope, row)) === true ? at[1] : at[2])(ev, scope, row));
  },
  case: (node, at) => {
    const type = node.ResultType?.Name;
    return (ev, scope, row) => {
      for (let i = 0; i + 1 < at.length; i += 2) if (V.toBool(at[i](ev, scope, row)) === true) return typed(type, at[i + 1](ev, scope, row));
      return typed(type, at[at.length - 1](ev, scope, row));
    };
  },
  coalesce: (node, at) => {
    const type = node.ResultType.Name;
    return (ev, scope, row) => {
      for (const f of at) {
        const v = f(ev, scope, row);
        if (v !== null && v !== '') return v;
      }
      return V.nullOf(type);
    };
  },
  column_ifexists: (node, at) => (ev, scope, row) => {
    const column = at[0](ev, scope, row);
    const i = row ? row.index.get(column) : undefined;
    return i !== undefined ? row.cells[i] : at[1](ev, scope, row);
  },
  ingestion_time: () => (ev, scope, row) => row.ingested ?? null,
  pack_all: (node, at) => (ev, scope, row) => packAll(at.length > 0 && at[0](ev, scope, row) === true, row),
  row_number: (node, at) => (ev, scope, row) => BigInt(row.at) + (at.length > 0 ? at[0](ev, scope, row) : 1n),
  prev: (node, at) => neighbour(node, at, -1),
  next: (node, at) => neighbour(node, at, 1),
  toscalar: () => () => { throw new Unsupported('toscalar() here'); },
  materialize: () => () => { throw new Unsupported('materialize() here'); },
};
SPECIAL.iif = SPECIAL.iff;
SPECIAL.columnifexists = SPECIAL.column_ifexists;

function call(node) {
  const name = node.Name.SimpleName;
  const args = elements(node.ArgumentList.Expressions);
  const at = args.map((a) => compiled(kindOf(a) === 'SimpleNamedExpression' ? a.Expression : a));
  const own = seen(name);
  const f = isAggregate(name) && !SPECIAL[name] ? aggregated(node, name) : SPECIAL[name] ? SPECIAL[name](node, at) : plainCall(name, at);
  return (ev, scope, row) => {
    const fn = own(scope);
    return fn && fn.kind === 'function' ? ev.scalarCall(fn, args, scope, row) : f(ev, scope, row);
  };
}

function plainCall(name, at) {
  const f = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : null;
  return (ev, scope, row) => {
    if (!f) throw new Unsupported(`function ${name}()`);
    return f(...at.map((a) => a(ev, scope, row)), ev.run);
  };
}

/** aggregated stands for the value that a group has of an aggregate. */
function aggregated(node, name) {
  return (ev) => {
    if (!ev.aggregates?.has(node)) throw new Unsupported(`function ${name}()`);
    return ev.aggregates.get(node);
  };
}

/** typed keeps a string branch from being null. */
const typed = (type, v) => (v === null ? V.nullOf(type) : v);

function packAll(skipEmpty, row) {
  const bag = {};
  for (const [name, i] of row.index) {
    const v = inner(row.cells[i]);
    if (!skipEmpty || (v !== null && v !== '')) bag[name] = v;
  }
  return new Dynamic(bag);
}

function neighbour(node, at, step) {
  if (at.length > 1) return () => { throw new Unsupported(`${node.Name.SimpleName}() with a distance`); };
  const type = elements(node.ArgumentList.Expressions)[0].ResultType.Name;
  return (ev, scope, row) => {
    const other = row.all[row.at + step];
    return other ? at[0](ev, scope, { ...row, cells: other.cells, at: other.at }) : V.nullOf(type);
  };
}

const BUILD = {
  LiteralExpression: (node) => { const v = literal(node); return () => v; },
  CompoundStringLiteralExpression: (node) => { const v = literal(node); return () => v; },
  DynamicExpression: (node) => { const v = dynamic(jsonLiteral(node.Expression)); return () => v; },
  ParenthesizedExpression: (node) => compiled(node.Expression),
  SimpleNamedExpression: (node) => compiled(node.Expression),
  NameReference: (node) => named(node.SimpleName),
  BracketedExpression: (node) => named(node.SimpleName),
  PathExpression: memberOf,
  ElementExpression: memberOf,
  PrefixUnaryExpression: (node) => {
    const inside = compiled(node.Expression);
    const minus = operatorOf(node) === '-';
    return (ev, scope, row) => {
      const v = unwrap(inside(ev, scope, row));
      if (!minus || v === null) return v;
      return v instanceof TimeSpan ? new TimeSpan(-v.t) : -v;
    };
  },
  BinaryExpression: binary,
  InExpression: inList,
  HasAnyExpression: hasSet('some'),
  HasAllExpression: hasSet('every'),
  BetweenExpression: between,
  FunctionCallExpression: call,
  ToScalarExpression: (node) => (ev, scope) => {
    const t = ev.tabular(node.Expression, scope);
    return t.rows.length ? t.rows[0].cells[0] : V.nullOf(t.columns[0].type);
  },
};

/** Evaluator evaluates scalar nodes; tables come from the operators. */
class Evaluator {
  /** tabular(node, scope, left) evaluates a table; aggregates has what the aggregate calls of a group give, by node. */
  constructor(tabular, run, aggregates) {
    this.tabular = tabular;
    this.run = run;
    this.aggregates = aggregates;
  }

  eval(node, scope, row) { return compiled(node)(this, scope, row); }

  // --- user functions ---

  /** bind makes the scope of a function's body. */
  bind(fn, args, scope, row, piped) {
    const inside = child(fn.scope);
    const params = elements(fn.node.Parameters.Parameters).map((p) => ({ name: p.NameAndType.Name.SimpleName, node: p }));
    const given = new Map();
    let place = 0;
    if (piped) given.set(params[place++].name, { kind: 'table', rows: () => piped });
    for (const a of args) {
      const named = kindOf(a) === 'SimpleNamedExpression';
      const name = named ? a.Name.SimpleName : params[place++]?.name;
      if (!name) throw new Error(`too many arguments for ${fn.name}`);
      const e = named ? a.Expression : a;
      if (isTable(e)) {
        let table;
        given.set(name, { kind: 'table', rows: () => (table ??= this.tabular(e, scope)) });
      } else {
        const v = this.eval(e, scope, row);
        given.set(name, { kind: 'scalar', value: () => v });
      }
    }
    for (const p of params) {
      let v = given.get(p.name);
      if (!v) {
        const def = p.node.DefaultValue;
        if (!def) throw new Error(`argument ${p.name} of ${fn.name} is missing`);
        const value = this.eval(def.Value, fn.scope, null);
        v = { kind: 'scalar', value: () => value };
      } else if (v.kind === 'scalar') {
        const type = p.node.NameAndType.Name.ResultType?.Name;
        const value = type && type !== 'unknown' ? V.convert(v.value(), type) : v.value();
        v = { kind: 'scalar', value: () => value };
      }
      inside.vars.set(p.name, v);
    }
    return inside;
  }

  statements(statements, scope) {
    for (const s of statements) {
      const kind = kindOf(s);
      if (kind === 'LetStatement') this.let(s, scope);
      else if (kind === 'QueryParametersStatement') {
        for (const p of elements(s.Parameters)) {
          const value = this.eval(p.DefaultValue.Value, scope, null);
          scope.vars.set(p.NameAndType.Name.SimpleName, { kind: 'scalar', value: () => value });
        }
      } else if (kind === 'ExpressionStatement') return s.Expression;
      else throw new Unsupported(`statement ${kind}`);
    }
    return null;
  }

  let(s, scope) {
    const name = s.Name.SimpleName;
    let e = s.Expression;
    if (kindOf(e) === 'MaterializeExpression') e = e.Expression;
    const outer = { vars: new Map(scope.vars), parent: scope.parent, run: scope.run }; // a let does not see itself
    if (kindOf(e) === 'FunctionDeclaration') {
      scope.vars.set(name, { kind: 'function', name, node: e, scope: outer });
    } else if (isTable(e)) {
      let table;
      scope.vars.set(name, { kind: 'table', rows: () => (table ??= this.tabular(e, outer)) });
    } else {
      let value;
      let done = false;
      scope.vars.set(name, { kind: 'scalar', value: () => {
        if (!done) { value = this.eval(e, outer, null); done = true; }
        return value;
      } });
    }
  }

  scalarCall(fn, args, scope, row) {
    const inside = this.bind(fn, args, scope, row);
    this.statements(elements(fn.node.Body.Statements), inside);
    return this.eval(fn.node.Body.Expression, inside, null);
  }

  tabularCall(fn, args, scope, row, piped) {
    const inside = this.bind(fn, args, scope, row, piped);
    if (this.run.resident?.has(fn.name)) return this.run.resident.serve(fn.name, inside.vars);
    this.statements(elements(fn.node.Body.Statements), inside);
    return this.tabular(fn.node.Body.Expression, inside);
  }
}

module.exports = { Evaluator, compiled, lookup, child };
