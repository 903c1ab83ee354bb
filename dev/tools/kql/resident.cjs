'use strict';
// A workspace that stays in memory, for a rule that runs every hour of a month.
//
// The saved functions of a workspace are executed once on all rows, as they are
// written. A query that calls one with arguments is given the rows that its
// filters leave, from an index; a test compares that with executing it. Rows of
// tables that none of them reads stay rows. Nothing that arrives after now is seen.

const V = require('./values.cjs');
const { elements } = require('./kusto.cjs');
const { hasTerm } = require('./scalars.cjs');
const { child } = require('./expressions.cjs');
const { evaluate, declare, load } = require('./interpreter.cjs');
const { Tables } = require('./operators.cjs');

const { Unsupported } = V;

/** FILTERS are the parameters that choose rows, by the columns that they look at. */
const FILTERS = {
  eventtype_in: ['EventType'], status_in: ['Status'], action_in: ['Action', 'TechnicalName'], stream_in: ['Stream'], state_in: ['State'], triggerid_in: ['TriggerId'],
  actorname_has_any: ['ActorName'], targetname_has_any: ['TargetName'], source_has_any: ['Source'], target_has_any: ['Target'],
  subscriptionname_has_any: ['SubscriptionName'], identityname_has_any: ['IdentityName'],
};

/** PLAIN are the values of parameters that a resident function can have. */
const PLAIN = { disabled: false, pack: false, distinct_ids: true, ipaddr_has_any_prefix: '' };

const milliseconds = (v) => Number((v.t - V.EPOCH) / 10000n);
const lower = (v) => V.toText(v).toLowerCase();

/** firstAt gives the first place in rising numbers that is not less than x. */
function firstAt(numbers, x) {
  let lo = 0;
  let hi = numbers.length;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (numbers[mid] < x) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

/** Selection is the rows of a function that its filters leave, by time. */
class Selection {
  constructor(rows) {
    this.rows = [...rows].sort((a, b) => a.time - b.time);
    this.times = Float64Array.from(this.rows, (r) => r.time);
    this.arrivals = [...rows].sort((a, b) => a.ingested - b.ingested);
    this.arrived = Float64Array.from(this.arrivals, (r) => r.ingested);
  }

  /** between gives the rows of a period of TimeGenerated, both ends inclusive, that are there at now. */
  between(start, end, now) {
    const from = firstAt(this.times, start);
    const to = firstAt(this.times, Math.min(end, now) + 1);
    const out = [];
    for (let i = from; i < to; i++) if (this.rows[i].ingested <= now) out.push(this.rows[i]);
    return out;
  }

  /** since gives the rows that arrived after one time, and not after another. */
  since(after, now) {
    return this.arrivals.slice(firstAt(this.arrived, after + 1), firstAt(this.arrived, now + 1));
  }
}

class Resident {
  /** @param functions is the library of saved functions; request.resident names those whose rows are kept */
  constructor(functions, request) {
    this.functions = functions;
    this.request = request;
    this.kept = new Map(request.resident.map((name) => [name, { columns: null, rows: [] }]));
    this.sources = new Set(request.resident.flatMap((name) => functions.tablesOfFunction(name)));
    this.others = {}; // rows of tables that no kept function reads
    this.selections = new Map();
    this.signatures = new Map(); // of queries
  }

  has(name) { return this.kept.has(name); }

  /** add executes the functions on rows. Rows of one Id must come together. */
  add(rows) {
    this.selections.clear();
    this.tables = null;
    for (const [name, list] of Object.entries(rows)) if (!this.sources.has(name)) this.others[name] = [...(this.others[name] ?? []), ...list];
    for (const [name, kept] of this.kept) {
      if (![...this.functions.tablesOfFunction(name)].some((t) => rows[t]?.length)) continue;
      const out = evaluate(this.functions, { query: name, now: this.request.now, rows, watchlists: {}, tables: this.request.tables, bare: this.request.bare });
      kept.columns = out.columns;
      const at = Object.fromEntries(out.columns.map((c, i) => [c.name, i]));
      for (const { cells } of out.rows) {
        const time = milliseconds(cells[at.TimeGenerated]);
        const ingested = cells[at.IngestionTime];
        const who = ['UserKey', 'DoneBy', 'TargetName', 'Source', 'Target'].filter((c) => c in at).map((c) => lower(cells[at[c]]));
        kept.rows.push({ cells, time, ingested: ingested === null ? time : milliseconds(ingested), who: [...new Set(who)].filter((w) => w !== '') });
      }
    }
  }

  /** select gives the rows that the filters of a call leave. */
  select(name, filters) {
    const signature = JSON.stringify([name, filters]);
    let s = this.selections.get(signature);
    if (!s) {
      const { columns, rows } = this.kept.get(name);
      const at = Object.fromEntries((columns ?? []).map((c, i) => [c.name, i]));
      const tests = filters.map(([parameter, values]) => {
        const places = FILTERS[parameter].map((c) => at[c]).filter((i) => i !== undefined);
        const set = new Set(values);
        return parameter.endsWith('_in') ? (cells) => places.some((i) => set.has(lower(cells[i]))) : (cells) => places.some((i) => values.some((v) => hasTerm(lower(cells[i]), v)));
      });
      let chosen = rows.filter((r) => tests.every((t) => t(r.cells)));
      const actions = filters.find(([p]) => p === 'action_in');
      if (actions && at.Activity !== undefined) chosen = chosen.map((r) => withActivity(r, at, new Set(actions[1])));
      this.selections.set(signature, s = new Selection(chosen));
    }
    return { signature, selection: s };
  }

  /** serve stands for the call of a function: vars are its parameters. */
  serve(name, vars) {
    const value = (p) => vars.get(p)?.value() ?? null;
    const filters = [];
    for (const p of vars.keys()) {
      const v = value(p);
      if (FILTERS[p]) {
        const list = (v?.v ?? []).map((x) => lower(V.dynamic(x)));
        if (list.length > 0) filters.push([p, list.sort()]);
      } else if (p in PLAIN) {
        if (typeof PLAIN[p] === 'boolean' ? v !== PLAIN[p] : v?.v?.length > 0) throw new Unsupported(`${p} of a resident function`);
      } else if (p !== 'starttime' && p !== 'endtime') throw new Unsupported(`parameter ${p} of a resident function`);
    }
    const { signature, selection } = this.select(name, filters);
    const start = value('starttime') ? milliseconds(value('starttime')) : -Infinity;
    const end = value('endtime') ? milliseconds(value('endtime')) : Infinity;
    const { columns, rows } = this.kept.get(name);
    // What a call reads for a baseline, with an end of time, does not make a rule speak.
    if (end === Infinity) this.signatures.get(this.query)?.add(signature);
    let out = selection.between(start, end, this.now);
    if (this.counting) {
      const window = rows.filter((r) => r.time >= start && r.time <= Math.min(end, this.now) && r.ingested <= this.now).length;
      this.counting.push({ window, passed: out.length });
    }
    if (this.arrivedAfter !== null) out = out.filter((r) => r.ingested > this.arrivedAfter);
    if (this.active && end === Infinity) out = out.filter((r) => r.who.some((w) => this.active.has(w)));
    return { columns: columns ?? this.functions.columnsOfFunction(name), rows: out };
  }

  /** visible gives the tables with what has arrived at now. */
  visible(now) {
    this.tables ??= load(this.request, this.others);
    return Object.fromEntries(Object.entries(this.tables).map(([name, { columns, rows }]) => [name, { columns, rows: rows.filter((r) => r.ingested === null || milliseconds(r.ingested) <= now) }]));
  }

  /** execute runs a query at a time, in milliseconds. */
  execute(query, now, watchlists) {
    this.now = now;
    this.query = query;
    const a = this.functions.analyse(query);
    if (a.errors.length > 0) throw new Error(a.errors.join('\n'));
    const context = { now: new V.DateTime(BigInt(now) * 10000n + V.EPOCH), watchlists: watchlists ?? {}, resident: this };
    const tabular = new Tables(this.visible(now), context);
    const scope = child(declare(a.used, context));
    const result = tabular.eval(tabular.scalar.statements(elements(a.syntax.Statements), scope), scope);
    return result.rows.map((r) => Object.fromEntries(result.columns.map((c, i) => [c.name, V.writeCell(r.cells[i])])));
  }

  /**
   * play runs a query as a schedule would: every so many milliseconds from one time to another.
   * Runs for which nothing has come since the last one are left out unless always is set, and with
   * narrow a run sees only the rows of those whom a new row is about. Calls with an end of time,
   * which read the past of the whole tenant, do neither.
   */
  play({ query, every, from, to, always, narrow, nrt, watchlists }) {
    this.signatures.set(query, new Set());
    this.active = null;
    this.counting = [];
    this.arrivedAfter = nrt ? to - every : null;
    this.execute(query, to, watchlists); // learns what the query calls
    const calls = this.counting;
    this.counting = null;
    const signatures = [...this.signatures.get(query)].map((s) => this.selections.get(s));
    const out = { calls, runs: 0, alerts: [] };
    for (let now = from; now <= to; now += every) {
      const fresh = signatures.flatMap((s) => s.since(now - every, now));
      if (fresh.length === 0 && !always) continue;
      this.active = narrow ? new Set(fresh.flatMap((r) => r.who)) : null;
      this.arrivedAfter = nrt ? now - every : null;
      const rows = this.execute(query, now, watchlists);
      out.runs++;
      if (rows.length > 0) out.alerts.push({ now: new Date(now).toISOString(), rows });
    }
    this.active = null;
    this.arrivedAfter = null;
    return out;
  }
}

/** withActivity gives the row that the parser makes of it when action_in lists the actions. */
function withActivity(row, at, actions) {
  const action = lower(row.cells[at.Action]);
  if (actions.has(action) || row.cells[at.Activity] === row.cells[at.TechnicalName]) return row;
  const cells = row.cells.slice();
  cells[at.Activity] = cells[at.TechnicalName];
  return { ...row, cells };
}

module.exports = { Resident };
