'use strict';
// Runs a query on rows that a test gives.
//
// Saved functions are put in front of the query as let statements, so that one
// analysis of the real parser covers everything that is executed, with the
// tables exactly as they exist in the test.

const V = require('./values.cjs');
const K = require('./kusto.cjs');
const { child } = require('./expressions.cjs');
const { Tables } = require('./operators.cjs');

/** needed lists the functions that a text uses, those it builds on first. */
function needed(text, functions) {
  const byName = new Map(functions.map((f) => [f.name, f]));
  const done = [];
  const busy = new Set();
  const add = (t) => {
    for (const name of new Set(t.match(/[A-Za-z_]\w*/g) ?? [])) {
      const f = byName.get(name);
      if (!f || done.includes(f)) continue;
      if (busy.has(name)) throw new Error(`function ${name} calls itself`);
      busy.add(name);
      add(f.body);
      done.push(f);
    }
  };
  add(text);
  return done;
}

/** withFunctions is the query with the functions it uses as let statements. */
function withFunctions(query, functions) {
  return `${needed(query, functions).map((f) => `let ${f.name} = (${f.params}) {\n${f.body}\n};\n`).join('')}${query}`;
}

/** load makes the tables of the workspace from a test's rows. $ingested is a row's ingestion_time(). */
function load(tables, rows = {}) {
  for (const name of Object.keys(rows)) if (!Object.hasOwn(tables, name)) throw new Error(`rows for ${name}, which is not declared`);
  return Object.fromEntries(Object.entries(tables).map(([name, declared]) => {
    const columns = Object.entries(K.completeTable(declared)).map(([n, type]) => ({ name: n, type }));
    const known = new Set([...columns.map((c) => c.name), '$ingested']);
    return [name, { columns, rows: (rows[name] ?? []).map((r, i) => {
      const where = `${name} row ${i + 1}`;
      for (const k of Object.keys(r)) if (!known.has(k)) throw new Error(`${where}: no column ${k}`);
      const cells = columns.map((c) => (c.name === 'Type' && !('Type' in r) ? name : V.readCell(r[c.name], c.type, `${where} ${c.name}`)));
      const time = r.$ingested ?? r.TimeGenerated ?? null;
      return { cells, ingested: V.readCell(time, 'datetime', `${where} $ingested`) };
    }) }];
  }));
}

/** run gives {columns, rows} with the rows as arrays of JSON values. */
function run({ query, tables = {}, functions = [], rows, now }) {
  const text = withFunctions(query, functions);
  const a = K.analyse(text, K.workspace({ tables }));
  if (a.errors.length > 0) throw new Error(a.errors.join('\n'));
  if (!a.columns) throw new Error('the query gives no table');
  const context = { now: V.readCell(now, 'datetime', 'now') };
  const tabular = new Tables(load(tables, rows), context);
  const scope = child({ vars: new Map(), parent: null, run: context });
  const expression = tabular.scalar.statements(K.elements(a.syntax.Statements), scope);
  const result = tabular.eval(expression, scope);
  return { columns: result.columns, rows: result.rows.map((r) => r.cells.map(V.writeCell)) };
}

module.exports = { run, needed };
