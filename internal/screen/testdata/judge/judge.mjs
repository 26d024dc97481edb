// Draws console bytes with xterm.js and says what is on its screen.
//
// stdin:  [{"name", "cols", "rows", "input": base64, "every": bytes or 0}, ...]
// stdout: {name: [{"at", "x", "y", "text", "scrollback", "title", "replies"}, ...]}
//
// A case has one picture, at its end, or one after every so many bytes.
import xterm from '@xterm/headless';
import unicode11 from '@xterm/addon-unicode11';

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const cases = JSON.parse(Buffer.concat(chunks));

// xterm.js throws from a timer on some input: such a case has no pictures.
let fail;
process.on('uncaughtException', error => fail(error));
const write = (term, bytes) => new Promise((done, failed) => { fail = failed; term.write(bytes, done); });
const line = (buffer, y) => buffer.getLine(y).translateToString(false).replace(/ +$/, '');

function picture(term, at, replies, title) {
  const buffer = term.buffer.active, normal = term.buffer.normal;
  const rows = [], scrollback = [];
  for (let y = 0; y < term.rows; y++) rows.push(line(buffer, buffer.baseY + y));
  for (let y = 0; y < normal.baseY; y++) scrollback.push(line(normal, y));
  return {
    at, x: Math.min(buffer.cursorX, term.cols - 1), y: buffer.cursorY,
    text: rows.join('\n').replace(/\n+$/, ''), scrollback, title, replies,
  };
}

const pictures = {};
for (const c of cases) {
  const term = new xterm.Terminal({ cols: c.cols, rows: c.rows, scrollback: 5000, allowProposedApi: true });
  term.loadAddon(new unicode11.Unicode11Addon());
  term.unicode.activeVersion = '11';
  let title = '', replies = '';
  term.onTitleChange(t => { title = t; });
  term.onData(d => { replies += d; });
  const bytes = Buffer.from(c.input, 'base64');
  const step = c.every || Math.max(bytes.length, 1);
  pictures[c.name] = [];
  try {
    for (let at = 0; at < bytes.length; at += step) {
      await write(term, new Uint8Array(bytes.subarray(at, at + step)));
      const p = picture(term, Math.min(at + step, bytes.length), c.every ? '' : replies, title);
      if (c.every && at + step < bytes.length) p.scrollback = [];
      pictures[c.name].push(p);
    }
  } catch (error) {
    console.error(`${c.name}: ${error}`);
    pictures[c.name] = [];
  }
}
process.stdout.write(JSON.stringify(pictures));
