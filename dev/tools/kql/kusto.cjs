'use strict';
// Microsoft's Kusto parser behind a small face.
//
// The parser is a .NET library compiled to JavaScript: it puts its names on
// globalThis, its lists have Count and getItem, overloaded constructors are
// numbered. Only this file and the tree walk of the interpreter know that.

require('@kusto/language-service-next/bridge.min.js'); // first: the runtime of the other
require('@kusto/language-service-next/Kusto.Language.Bridge.min.js');

const { Kusto, Bridge } = globalThis;
const { Symbols, GlobalState, KustoCode } = Kusto.Language;

// What Log Analytics adds to every table.
const STANDARD_COLUMNS = {
  TenantId: 'string', Type: 'string', SourceSystem: 'string', _ResourceId: 'string', _SubscriptionId: 'string',
  _ItemId: 'string', _IsBillable: 'string', _BilledSize: 'real',
};

const list = (l) => Array.from({ length: l ? l.Count : 0 }, (_, i) => l.getItem(i));

/** once remembers what f gives for an object: asking the parser is slow. */
function once(f) {
  const known = new WeakMap();
  return (o) => {
    if (!known.has(o)) known.set(o, f(o));
    return known.get(o);
  };
}

/** kindOf is the class of a syntax node, such as ProjectOperator. */
const kindOf = once((node) => Bridge.getTypeName(node).split('.').pop());

const elementsOf = once((l) => list(l).map((e) => e.Element$1 ?? e.Element ?? e));

/** elements are the nodes of a comma-separated list. */
const elements = (l) => (l ? elementsOf(l) : []);

/** columnsOf gives [{name, type}] of a tabular node or type, null if it is not one. */
function columnsOf(type) {
  if (!type || !type.Columns) return null;
  return list(type.Columns).map((c) => ({ name: c.Name, type: c.Type.Name }));
}

/** completeTable adds the standard columns to declared ones. */
function completeTable(columns) {
  const all = { ...columns };
  for (const [n, t] of Object.entries(STANDARD_COLUMNS)) if (!(n in all)) all[n] = t;
  return all;
}

function tableSymbol(name, columns) {
  const text = Object.entries(columns).map(([n, t]) => `['${n}']: ${t}`).join(', ');
  return new Symbols.TableSymbol.$ctor7(name, `(${text})`, null);
}

// _GetWatchlist gives whatever columns a watchlist has.
const SENTINEL = [
  new Symbols.TableSymbol.$ctor7('__watchlist', '(SearchKey: string, LastUpdatedTimeUTC: datetime, _DTItemId: string)', null).WithIsOpen(true),
  new Symbols.FunctionSymbol.$ctor16('_GetWatchlist', '(watchlistAlias: string, keyColumn: string = "")', '{ __watchlist }', null),
];

/**
 * workspace is the state that a query is analysed against.
 * @param tables    {name: {column: type}}
 * @param functions [{name, params, body}], saved functions
 * @param bare      true: tables have their declared columns only
 */
function workspace({ tables = {}, functions = [], bare = false }) {
  const members = Object.entries(tables).map(([n, c]) => tableSymbol(n, bare ? c : completeTable(c)));
  for (const f of functions) members.push(new Symbols.FunctionSymbol.$ctor16(f.name, `(${f.params})`, `{ ${f.body}\n}`, null));
  return GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor('workspace', [...members, ...SENTINEL]));
}

function position(text, offset) {
  const before = text.slice(0, offset).split('\n');
  return `${before.length}:${before[before.length - 1].length + 1}`;
}

/** analyse parses a query and binds its names. columns is null when it gives no table. */
function analyse(text, state) {
  const code = KustoCode.ParseAndAnalyze(text, state);
  const problems = list(code.GetDiagnostics()).map((d) => ({
    severity: d.Severity, code: d.Code, text: `${position(text, d.Start)}: ${d.Code} ${d.Message}`,
  }));
  return {
    errors: problems.filter((p) => p.severity === 'Error').map((p) => p.text),
    warnings: problems.filter((p) => p.severity === 'Warning').map((p) => p.text),
    columns: columnsOf(code.ResultType),
    syntax: code.Syntax,
  };
}

/** visit calls f for every node of a tree, from the outside in. */
function visit(node, f) {
  f(node);
  for (let i = 0; i < node.ChildCount; i++) {
    const child = node.GetChild(i);
    if (child) visit(child, f);
  }
}

module.exports = { workspace, analyse, visit, once, kindOf, list, elements, columnsOf, completeTable };
