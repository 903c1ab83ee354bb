'use strict';
// Scalar expressions: evaluates a syntax node for one row.
//
// A scope is {vars: Map, parent, run}; the row in hand is {index, cells,
// ingested, at} with index = Map of column name to place.

const V = require('./values.cjs');
const { DateTime, TimeSpan, Dynamic, Unsupported, dynamic, unwrap, toText } = V;
const { kindOf, elements, once } = require('./kusto.cjs');
const { FUNCTIONS, arrayOf, bagOf, inner } = require('./functions.cjs');
const { literal, jsonLiteral } = require('./literals.cjs');
const { hasTerm, textOperator, arithmetic, compare, logical } = require('./scalars.cjs');

function lookup(scope, name) {
  for (let s = scope; s; s = s.parent) if (s.vars.has(name)) return s.vars.get(name);
  return null;
}

const child = (scope) => ({ vars: new Map(), parent: scope, run: scope.run });

const operatorOf = once((node) => node.Operator.Text.trim().replace(/\s+/g, ' '));
const nameOf = once((node) => node.SimpleName);
const typeOfNode = once((node) => node.ResultType?.Name);
const isTable = once((node) => Boolean(node.ResultType && node.ResultType.Columns));

/** Evaluator evaluates scalar nodes; tables come from the operators. */
class Evaluator {
  /** tabular(node, scope, left) evaluates a table. */
  constructor(tabular, run) {
    this.tabular = tabular;
    this.run = run;
  }

  eval(node, scope, row) {
    switch (kindOf(node)) {
      case 'LiteralExpression': case 'CompoundStringLiteralExpression': return literal(node);
      case 'DynamicExpression': return dynamic(jsonLiteral(node.Expression));
      case 'ParenthesizedExpression': return this.eval(node.Expression, scope, row);
      case 'SimpleNamedExpression': return this.eval(node.Expression, scope, row);
      case 'NameReference': case 'BracketedExpression': return this.name(nameOf(node), scope, row);
      case 'PathExpression': case 'ElementExpression': return this.member(node, scope, row);
      case 'PrefixUnaryExpression': {
        const v = unwrap(this.eval(node.Expression, scope, row));
        if (operatorOf(node) !== '-' || v === null) return v;
        return v instanceof TimeSpan ? new TimeSpan(-v.t) : -v;
      }
      case 'BinaryExpression': return this.binary(node, scope, row);
      case 'InExpression': return this.in(node, scope, row);
      case 'HasAnyExpression': return this.hasSet(node, scope, row, 'some');
      case 'HasAllExpression': return this.hasSet(node, scope, row, 'every');
      case 'BetweenExpression': return this.between(node, scope, row);
      case 'FunctionCallExpression': return this.call(node, scope, row);
      case 'ToScalarExpression': {
        const t = this.tabular(node.Expression, scope);
        return t.rows.length ? t.rows[0].cells[0] : V.nullOf(t.columns[0].type);
      }
      default: throw new Unsupported(`expression ${kindOf(node)} "${node.ToString(1).trim().slice(0, 60)}"`);
    }
  }

  name(name, scope, row) {
    if (row && row.index.has(name)) return row.cells[row.index.get(name)];
    const v = lookup(scope, name);
    if (v && v.kind === 'scalar') return v.value();
    if (v && v.kind === 'function') return this.tabularCall(v, [], scope, row);
    throw new Error(`no column or variable ${name}`);
  }

  member(node, scope, row) {
    const base = this.eval(node.Expression, scope, row);
    const s = node.Selector;
    const kind = kindOf(s);
    const selector = kind === 'NameReference' ? s.SimpleName : kind === 'BracketedExpression' || kind === 'BrackettedExpression' ? this.eval(s.Expression, scope, row) : this.eval(s, scope, row);
    if (base === null) return null;
    if (!(base instanceof Dynamic)) throw new Unsupported(`member of a ${V.typeOf(base)}`);
    if (typeof selector === 'bigint') {
      const a = arrayOf(base);
      return a ? dynamic(a.at(Number(selector))) : null;
    }
    const bag = bagOf(base);
    return bag && Object.hasOwn(bag, selector) ? dynamic(bag[selector]) : null;
  }

  binary(node, scope, row) {
    const op = operatorOf(node);
    if (op === 'and' || op === 'or') return logical(op, () => this.eval(node.Left, scope, row), () => this.eval(node.Right, scope, row));
    const a = this.eval(node.Left, scope, row);
    const b = this.eval(node.Right, scope, row);
    if (['==', '!=', '<>', '<', '<=', '>', '>='].includes(op)) return compare(op, a, b);
    if ('+-*/%'.includes(op)) return arithmetic(op, a, b);
    return textOperator(op, a, b);
  }

  /** values are what the right side of in and has_any lists: scalars, arrays, or the first column of a table. */
  values(expressionList, scope, row) {
    return elements(expressionList.Expressions).flatMap((e) => {
      if (isTable(e)) return this.tabular(e, scope).rows.map((r) => r.cells[0]);
      const v = this.eval(e, scope, row);
      return arrayOf(v) ? arrayOf(v).map(dynamic) : [v];
    });
  }

  in(node, scope, row) {
    const op = operatorOf(node);
    const left = this.eval(node.Left, scope, row);
    const fold = op.endsWith('~') ? (v) => toText(v).toLowerCase() : V.key;
    const found = left !== null && this.values(node.Right, scope, row).some((v) => v !== null && fold(v) === fold(left));
    return found !== op.startsWith('!');
  }

  hasSet(node, scope, row, how) {
    const text = toText(this.eval(node.Left, scope, row)).toLowerCase();
    return this.values(node.Right, scope, row)[how]((v) => hasTerm(text, toText(v).toLowerCase()));
  }

  between(node, scope, row) {
    const v = this.eval(node.Left, scope, row);
    const from = this.eval(node.Right.First, scope, row);
    let to = this.eval(node.Right.Second, scope, row);
    if (from instanceof DateTime && to instanceof TimeSpan) to = new DateTime(from.t + to.t);
    const inside = logical('and', () => compare('>=', v, from), () => compare('<=', v, to));
    return node.Operator.Text.trim().startsWith('!') ? (inside === null ? null : !inside) : inside;
  }

  call(node, scope, row) {
    const name = nameOf(node.Name);
    const args = elements(node.ArgumentList.Expressions);
    const at = (i) => this.eval(args[i], scope, row);
    const own = lookup(scope, name);
    if (own && own.kind === 'function') return this.scalarCall(own, args, scope, row);
    switch (name) {
      case 'iff': case 'iif': return V.toBool(at(0)) === true ? this.typed(node, at(1)) : this.typed(node, at(2));
      case 'case': {
        for (let i = 0; i + 1 < args.length; i += 2) if (V.toBool(at(i)) === true) return this.typed(node, at(i + 1));
        return this.typed(node, at(args.length - 1));
      }
      case 'coalesce': {
        for (let i = 0; i < args.length; i++) {
          const v = at(i);
          if (v !== null && v !== '') return this.typed(node, v);
        }
        return V.nullOf(node.ResultType.Name);
      }
      case 'column_ifexists': case 'columnifexists': {
        const column = at(0);
        return row && row.index.has(column) ? row.cells[row.index.get(column)] : at(1);
      }
      case 'ingestion_time': return row.ingested ?? null;
      case 'pack_all': return this.packAll(args.length > 0 && at(0) === true, row);
      case 'row_number': return BigInt(row.at) + (args.length > 0 ? at(0) : 1n);
      case 'prev': case 'next': return this.neighbour(name, args, scope, row);
      case 'toscalar': case 'materialize': throw new Unsupported(`${name}() here`);
    }
    const f = FUNCTIONS[name];
    if (!f) throw new Unsupported(`function ${name}()`);
    return f(...args.map((a) => this.eval(a, scope, row)), this.run);
  }

  /** typed keeps a string branch from being null. */
  typed(node, v) {
    return v === null ? V.nullOf(typeOfNode(node)) : v;
  }

  packAll(skipEmpty, row) {
    const bag = {};
    for (const [name, i] of row.index) {
      const v = inner(row.cells[i]);
      if (!skipEmpty || (v !== null && v !== '')) bag[name] = v;
    }
    return new Dynamic(bag);
  }

  neighbour(name, args, scope, row) {
    if (args.length > 1) throw new Unsupported(`${name}() with a distance`);
    const other = row.all[row.at + (name === 'prev' ? -1 : 1)];
    if (!other) return V.nullOf(args[0].ResultType.Name);
    return this.eval(args[0], scope, { ...row, cells: other.cells, at: other.at });
  }

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
    this.statements(elements(fn.node.Body.Statements), inside);
    return this.tabular(fn.node.Body.Expression, inside);
  }
}

module.exports = { Evaluator, lookup, child };
