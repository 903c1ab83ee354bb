'use strict';
// Literals of KQL as values.

const V = require('./values.cjs');
const { Unsupported } = V;
const { kindOf, elements, once } = require('./kusto.cjs');

function unquote(text) {
  let m = /^@(["'])([\s\S]*)\1$/.exec(text);
  if (m) return m[2].split(m[1] + m[1]).join(m[1]);
  m = /^(```|~~~)([\s\S]*)\1$/.exec(text);
  if (m) return m[2];
  m = /^[hH]?(["'])([\s\S]*)\1$/.exec(text);
  if (!m) throw new Unsupported(`string literal ${text}`);
  return m[2].replace(/\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)/g, (_, c) => {
    if (c.length > 1) return String.fromCharCode(parseInt(c.slice(1), 16));
    const plain = { n: '\n', t: '\t', r: '\r', '\\': '\\', '"': '"', "'": "'" }[c];
    if (plain === undefined) throw new Unsupported(`escape \\${c} in a string literal`);
    return plain;
  });
}

const literal = once((node) => {
  const text = node.Token.Text.trim();
  const type = node.ResultType.Name;
  if (type === 'string') return unquote(text);
  const m = /^(\w+)\s*\(([\s\S]*)\)$/.exec(text);
  const body = (m ? m[2] : text).trim();
  if (/^null$/i.test(body)) return null;
  switch (type) {
    case 'bool': return V.toBool(body);
    case 'int': case 'long': {
      if (/^-?(0x[0-9a-f]+|\d+)$/i.test(body)) return BigInt(body);
      break;
    }
    case 'real': {
      if (/^[+-]?[\d.]+(e[+-]?\d+)?$/i.test(body)) return Number(body);
      break;
    }
    case 'datetime': case 'timespan': case 'guid': {
      const v = V.convert(/^["']/.test(body) ? unquote(body) : body, type);
      if (v !== null) return v;
      break;
    }
  }
  throw new Unsupported(`literal ${text}`);
});

function jsonLiteral(node) {
  switch (kindOf(node)) {
    case 'JsonObjectExpression':
      return Object.fromEntries(elements(node.Pairs).map((p) => [unquote(p.Name.Text.trim()), jsonLiteral(p.Value)]));
    case 'JsonArrayExpression': return elements(node.Values).map(jsonLiteral);
    case 'PrefixUnaryExpression': {
      const v = jsonLiteral(node.Expression);
      return node.Operator.Text.trim() === '-' ? -v : v;
    }
    case 'LiteralExpression': {
      const text = node.Token.Text.trim();
      if (text === 'null') return null;
      return text === 'true' || text === 'false' ? text === 'true' : literal(node);
    }
    default: throw new Unsupported(`${kindOf(node)} in a dynamic literal`);
  }
}

module.exports = { literal, jsonLiteral };
