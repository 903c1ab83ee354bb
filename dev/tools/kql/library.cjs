'use strict';
// Saved functions, analysed once for each set of tables that they read.
//
// The body of a parser is long, and analysing it with every query that calls it
// takes the tests minutes. So a query sees stubs that have the function's
// parameters and give an empty table with its columns; the body is analysed and
// executed on its own. The columns of a function do not depend on the arguments:
// functions with untyped tabular parameters are refused.

const K = require('./kusto.cjs');

const states = new Map(); // making one costs more than using it

/** stateOf is K.workspace() with a memory. */
function stateOf(w) {
  const key = JSON.stringify(w);
  if (!states.has(key)) states.set(key, K.workspace(w));
  return states.get(key);
}

const compiled = new Map(); // by text, tables and stubs of the functions it calls

const analysed = new Map(); // queries, by text and what they see: a test runs one on many rows

const WORD = /[A-Za-z_]\w*/g;
const words = (text) => new Set(text.replace(/^\s*\/\/.*$/gm, '').match(WORD) ?? []);

/** literalOf is an empty value of a type, for the stub of a scalar function. */
const literalOf = (type) => (type === 'string' ? "''" : `${type}(null)`);

function stubOf(f, result) {
  const columns = K.columnsOf(result);
  if (!columns) return { name: f.name, params: f.params, body: literalOf(result?.Name ?? 'string') };
  const text = columns.map((c) => `['${c.name}']: ${c.type}`).join(', ');
  return { name: f.name, params: f.params, body: `datatable(${text})[]` };
}

class Library {
  constructor(tables, functions, bare) {
    this.tables = tables;
    this.functions = new Map(functions.map((f) => [f.name, f]));
    this.bare = bare;
    this.busy = new Set();
  }

  /** used lists the functions that a text names, each compiled. */
  used(text) {
    return [...words(text)].filter((w) => this.functions.has(w)).map((w) => this.compile(w));
  }

  /** tablesOf are the tables that a text names, all of them if it has a wildcard. */
  tablesOf(text) {
    if (/\b(union|search|find)\b[^|]*\*/.test(text)) return this.tables;
    const named = words(text);
    return Object.fromEntries(Object.entries(this.tables).filter(([n]) => named.has(n)));
  }

  compile(name) {
    if (this.busy.has(name)) throw new Error(`function ${name} calls itself`);
    this.busy.add(name);
    const f = this.functions.get(name);
    const callees = this.used(f.body);
    this.busy.delete(name);
    // What callees look like matters, not what they read: with other tables they give the same columns.
    const tables = this.tablesOf(f.body);
    const stubs = callees.map((c) => c.stub);
    const key = JSON.stringify([f, tables, this.bare, stubs]);
    let done = compiled.get(key);
    if (!done) {
      const a = K.analyse(`let ${f.name} = (${f.params}) {\n${f.body}\n};\nprint 1`, stateOf({ tables, functions: stubs, bare: this.bare }));
      const declaration = K.elements(a.syntax.Statements)[0].Expression;
      done = { name, node: declaration, stub: stubOf(f, declaration.Body?.Expression?.ResultType), own: a.errors.map((e) => `function ${name}, ${e}`) };
      compiled.set(key, done);
    }
    return { ...done, callees, errors: [...done.own, ...callees.flatMap((c) => c.errors)] };
  }

  /** tablesOfFunction names the tables that a function reads itself. */
  tablesOfFunction(name) { return Object.keys(this.tablesOf(this.functions.get(name).body)); }

  columnsOfFunction(name) { return K.columnsOf(this.compile(name).node.Body?.Expression?.ResultType); }

  /** analyse analyses a query that may call the functions. Errors in their bodies count. */
  analyse(query) {
    const used = this.used(query);
    const w = { tables: this.tablesOf(query), functions: used.map((c) => c.stub), bare: this.bare };
    const key = JSON.stringify([query, w]);
    let a = analysed.get(key);
    if (!a) analysed.set(key, a = K.analyse(query, stateOf(w)));
    return { ...a, errors: [...a.errors, ...new Set(used.flatMap((c) => c.errors))], used };
  }
}

module.exports = { Library };
