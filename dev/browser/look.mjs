// Looks at pages in headless Chromium, as a person would: on a phone and on a desk, by light and by
// dark, without scripts, and by keyboard. It reads a list of {name, url, title, says, faults, search} from
// stdin, and writes what is wrong as a JSON list of sentences. SCREENSHOTS names a folder for pictures.
import { readFileSync } from 'node:fs';
import pack from '@sparticuz/chromium';
import { chromium } from 'playwright-core';

const wrong = [];
const pages = JSON.parse(readFileSync(0, 'utf8'));
const browser = await chromium.launch({ executablePath: await pack.executablePath(), args: ['--no-sandbox', '--no-zygote', '--disable-gpu', '--disable-dev-shm-usage'], headless: true });

// audit runs in the page: what can be measured about what is shown.
function audit() {
  const found = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) found.push(`it is ${root.scrollWidth} pixels wide in a window of ${root.clientWidth}`);
  if (getComputedStyle(document.querySelector('main')).maxWidth !== '960px') found.push('its style is not used');
  if (document.querySelectorAll('h1').length !== 1 || !root.lang) found.push('no single h1, or no language');
  if (document.querySelector('script, [onclick], [style]')) found.push('it has a script or an inline style');
  for (const table of document.querySelectorAll('table')) {
    if (!table.querySelector('thead th[scope=col]')) found.push('a table without column headers');
    if (!table.caption && !table.closest('[aria-labelledby]')) found.push('a table without a name');
    for (const head of table.tHead.rows[0].cells) {
      const range = document.createRange();
      range.selectNodeContents(head);
      if (!head.textContent.includes(' ') && range.getClientRects().length > 1) found.push(`"${head.textContent}" is broken into lines`);
    }
    for (const row of table.tBodies[0].rows) {
      const cells = [...row.cells].reduce((n, c) => n + c.colSpan, 0);
      const heads = [...table.tHead.rows[0].cells].reduce((n, c) => n + c.colSpan, 0);
      if (cells !== heads) { found.push(`a row of ${cells} cells below ${heads} headers`); break; }
    }
  }
  const rgb = (text) => (text.match(/[\d.]+/g) || []).map(Number);
  const light = (c) => c.slice(0, 3).map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; })
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  let measured = 0;
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    if (!node.data.trim()) continue;
    const element = node.parentElement;
    let behind = element, back = [];
    for (; behind; behind = behind.parentElement) {
      back = rgb(getComputedStyle(behind).backgroundColor);
      if (back.length === 3 || back[3] > 0) break;
    }
    const [a, b] = [light(rgb(getComputedStyle(element).color)), light(back)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    measured++;
    const key = `${element.tagName}.${element.className}`;
    if (ratio < 4.5 && !seen.has(key)) { seen.add(key); found.push(`contrast ${ratio.toFixed(2)} of "${node.data.trim().slice(0, 30)}" (${key})`); }
  }
  if (measured < 10) found.push(`only ${measured} texts were measured`);
  return found;
}

async function look(one, width, scheme, scripts) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme, javaScriptEnabled: scripts });
  const page = await context.newPage();
  const at = `${one.name}, ${width} px, ${scheme}${scripts ? '' : ', no scripts'}`;
  page.on('console', (m) => { if (['error', 'warning'].includes(m.type())) wrong.push(`${at}: ${m.text()}`); });
  page.on('pageerror', (e) => wrong.push(`${at}: ${e}`));
  page.on('request', (r) => { if (!r.url().startsWith(one.url)) wrong.push(`${at}: it asks for ${r.url()}`); });
  await page.goto(one.url);
  if (!(await page.title()).startsWith(one.title)) wrong.push(`${at}: the title is ${await page.title()}`);
  for (const text of await page.evaluate(audit)) wrong.push(`${at}: ${text}`);
  for (const text of one.says) if (!(await page.locator('body').innerText()).includes(text)) wrong.push(`${at}: it does not say ${text}`);
  if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/${one.name}-${width}-${scheme}.png`, fullPage: true });
  if (one.faults && !scripts && width < 1000) await causes(page, one, at); // once: they take time
  if (!one.faults && !scripts) await keyboard(page, one, at);
  if (one.search && !scripts) await search(page, one, at);
  await context.close();
}

// keyboard presses the button without a mouse, and comes back.
async function keyboard(page, one, at) {
  let reached = '';
  for (let n = 0; n < 5 && reached !== 'BUTTON'; n++) {
    await page.keyboard.press('Tab');
    reached = await page.evaluate(() => document.activeElement.tagName);
  }
  if (reached !== 'BUTTON') { wrong.push(`${at}: no button is reached by keyboard`); return; }
  if (await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle) === 'none') wrong.push(`${at}: the focus is not visible`);
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
  if (!(await page.title()).startsWith('Poll now')) wrong.push(`${at}: the button leads to ${await page.title()}`);
  await page.keyboard.press('Tab');
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
  if (page.url() !== one.url || !(await page.title()).startsWith(one.title)) wrong.push(`${at}: back leads to ${page.url()}`);
}

// search finds a connection by keyboard, and comes back.
async function search(page, one, at) {
  await page.focus('input[type=search]');
  await page.keyboard.type(one.search.text);
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
  const text = await page.locator('body').innerText();
  if (!text.includes(one.search.shows) || text.includes(one.search.hides)) wrong.push(`${at}: the search shows ${text.slice(0, 300)}`);
  for (const found of await page.evaluate(audit)) wrong.push(`${at}, search: ${found}`);
  if (page.url() !== one.url) wrong.push(`${at}: the search leads to ${page.url()}`);
  await Promise.all([page.waitForNavigation(), page.getByText('back to all').click()]);
  if (page.url() !== one.url || !(await page.locator('body').innerText()).includes(one.search.hides)) wrong.push(`${at}: back to all leads to ${page.url()}`);
}

// reach moves the focus to a button without a mouse.
async function reach(page, at, name) {
  await page.keyboard.press('Shift+Tab'); // from where the page was left
  for (let n = 0; n < 15; n++) {
    if (await page.evaluate((name) => document.activeElement.tagName === 'BUTTON' && document.activeElement.textContent.startsWith(name), name)) {
      if (await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle) === 'none') wrong.push(`${at}: the focus on ${name} is not visible`);
      return true;
    }
    await page.keyboard.press('Tab');
  }
  wrong.push(`${at}: ${name} is not reached by keyboard`);
  return false;
}

// causes presses the buttons of faults without a mouse, and waits until what they cause is shown.
async function causes(page, one, at) {
  for (const fault of one.faults) {
    const lasts = fault.lasts ? ['true', 'false'] : [null];
    for (const state of lasts) {
      if (!await reach(page, at, fault.label)) return;
      await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
      const button = page.locator('button', { hasText: fault.label });
      const pressed = await button.getAttribute('aria-pressed');
      if (pressed !== state) wrong.push(`${at}: ${fault.label} has aria-pressed=${pressed}, want ${state}`);
      if ((await page.title()).includes(fault.label) !== (state === 'true')) wrong.push(`${at}: with ${fault.label} ${state} the title is ${await page.title()}`);
      if (page.url() !== one.url) wrong.push(`${at}: ${fault.label} leads to ${page.url()}`);
      if (state !== 'false') await shows(page, at, fault);
    }
  }
}

// shows waits until the page shows what a fault causes.
async function shows(page, at, fault) {
  for (const end = Date.now() + 60_000; Date.now() < end;) {
    if ((await page.locator('body').innerText()).includes(fault.shows)) return;
    await new Promise((done) => { setTimeout(done, 500); });
    await page.reload();
  }
  wrong.push(`${at}: ${fault.label} never shows ${fault.shows}`);
}

for (const one of pages) {
  await look(one, 400, 'dark', false);
  await look(one, 400, 'light', true);
  await look(one, 1280, 'light', false);
}
await browser.close();
console.log(JSON.stringify(wrong));
