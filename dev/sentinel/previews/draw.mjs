// Draws pages in headless Chromium: a list of {html, path} on stdin, pictures as files. It writes the
// brightness of each, 0 to 255, and what overflows, as JSON.
import { readFileSync } from 'node:fs';
import pack from '@sparticuz/chromium';
import { chromium } from 'playwright-core';

const browser = await chromium.launch({ executablePath: await pack.executablePath(), args: ['--no-sandbox', '--no-zygote', '--disable-gpu', '--disable-dev-shm-usage'], headless: true });
const seen = [];
for (const one of JSON.parse(readFileSync(0, 'utf8'))) {
  const page = await browser.newPage({ viewport: { width: 1100, height: 1000 } });
  await page.setContent(one.html);
  await page.screenshot({ path: one.path });
  seen.push(await page.evaluate(() => ({
    light: getComputedStyle(document.body).backgroundColor.match(/\d+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0) / 3,
    wide: document.documentElement.scrollWidth,
    tiles: document.querySelectorAll('section.tile').length,
    drawn: document.querySelectorAll('table, svg, .cards').length,
  })));
  await page.close();
}
await browser.close();
console.log(JSON.stringify(seen));
