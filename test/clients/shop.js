// The shop as an application in JavaScript sees it, with node-postgres.
//
// usage: node shop.js direct|pooled HOST

'use strict';

const assert = require('assert');
const crypto = require('crypto');
const { Client, Pool } = require('pg');

const [mode, host] = process.argv.slice(2);
const settings = { host, port: 5432, user: 'shop_app', database: process.env.PGDATABASE };
const pool = new Pool({ ...settings, max: 8 });
const owner = new Client({ ...settings, user: 'postgres', host: process.env.DIRECT });
const york = { customer_id: 1, ship_to: 'York, England' };
let failed = false;

async function value(sql, params, client = pool) {
	const result = await client.query({ text: sql, values: params, rowMode: 'array' });
	return result.rows[0][0];
}

// Objects become JSON by themselves.
function send(command, payload, client = pool) {
	return value('SELECT cqrs_send($1, $2)', [command, payload], client);
}

async function check(name, work) {
	name = `node-postgres ${mode}: ${name}`;
	try {
		await work();
		console.log(`ok - ${name}`);
	} catch (error) {
		console.log(error);
		console.log(`not ok - ${name}`);
		failed = true;
	}
}

async function main() {
	await owner.connect();

	await check('a command returns its identifier, as text', async () => {
		assert.match(await send('CreateOrder', york), /^[0-9]+$/);
	});

	await check('rejections are errors with a code, a message and a detail', async () => {
		const order = Number(await send('CreateOrder', york));
		await assert.rejects(send('AddItem', { order_id: order, product_id: 2, qty: 0, colour: 'red' }),
			(e) => e.code === 'QC001' && e.detail.endsWith('\ncolour: unknown field'));
		await assert.rejects(send('ShipOrder', { order_id: order, carrier: 'x', tracking_number: 'y' }),
			{ code: 'P0001', message: `order ${order} is open`, hint: 'Only submitted orders can be shipped.' });
		await assert.rejects(send('SubmitOrder', { order_id: -1 }), { code: 'P0002' });
		await assert.rejects(send('Nonsense', {}), { code: '42704', hint: /command_type/ });
		await assert.rejects(pool.query("SELECT cqrs_emit('order-1', 'OrderShipped')"), { code: '42501' });
		await assert.rejects(pool.query("SELECT cqrs_query('FindOrders', $1)", [{ sort: 'no; DROP' }]), { code: 'QC001' });
	});

	await check('cqrs_try_send() answers with a row', async () => {
		const { rows: [answer] } = await pool.query('SELECT * FROM cqrs_try_send($1, $2)', ['SubmitOrder', { order_id: -1 }]);
		assert.deepStrictEqual([answer.ok, answer.sqlstate, answer.message, answer.id],
			[false, 'P0002', 'order -1 does not exist', null]);
	});

	await check('a command is retried with its id; eight at once are done once', async () => {
		const id = crypto.randomUUID();
		const sql = "SELECT cqrs_send('CreateOrder', $1, command_id => $2)";
		const before = Number(await value('SELECT count(*) FROM shop_write."order"', [], owner));
		const answers = await Promise.all(Array.from({ length: 8 }, () => value(sql, [york, id])));
		assert.strictEqual(new Set(answers).size, 1);
		assert.strictEqual(Number(await value('SELECT count(*) FROM shop_write."order"', [], owner)), before + 1);
		await assert.rejects(value(sql, [{ ...york, customer_id: 2 }, id]), { code: 'QC003' });
	});

	await check('a token from one connection is waited for on another', async () => {
		for (let n = 0; n < 5; n++) {
			const { rows: [sent] } = await pool.query("SELECT id, token FROM cqrs_try_send('CreateOrder', $1)", [york]);
			assert.strictEqual(await value("SELECT cqrs_wait($1, timeout => '1min')", [sent.token]), true);
			assert.strictEqual(await value('SELECT status FROM shop.order_summary WHERE order_id = $1', [sent.id]), 'open');
		}
	});

	await check('CALL cqrs_execute() sends, commits and waits in one round trip', async () => {
		const order = Number(await send('CreateOrder', york));
		const { rows: [answer] } = await pool.query("CALL cqrs_execute('AddItem', $1, timeout => '1min')", [{ order_id: order, product_id: 3, qty: 2 }]);
		assert.deepStrictEqual([answer.id, answer.synced], [String(order), true]);
		assert.strictEqual(await value('SELECT total FROM shop.order_detail WHERE order_id = $1', [order]), '8.50');
		const client = await pool.connect();
		await client.query('BEGIN');
		await assert.rejects(client.query("CALL cqrs_execute('AddItem', '{}')"), { code: '2D000' });
		await client.query('ROLLBACK');
		client.release();
	});

	await check('queries give objects, pages, and what a token promises', async () => {
		const { rows: [sent] } = await pool.query("SELECT id, token FROM cqrs_try_send('CreateOrder', $1)", [{ ...york, ship_to: 'Zürich' }]);
		const found = await value("SELECT * FROM cqrs_query('GetOrder', $1, token => $2, timeout => '1min')", [{ order_id: sent.id }, sent.token]);
		assert.strictEqual(found.ship_to, 'Zürich');
		const { rows: [page] } = await pool.query("SELECT * FROM cqrs_query_page('FindOrders', $1, 2, 3)", [{ sort: '-order_id' }]);
		assert.deepStrictEqual([page.items.length, page.page, page.page_size], [3, 2, 3]);
	});

	await check('a warning reaches the client', async () => {
		const client = await pool.connect();
		const notices = [];
		client.on('notice', (notice) => notices.push(notice));
		await owner.query("SELECT cqrs_pause('order_summary')");
		const { rows: [sent] } = await client.query("SELECT token FROM cqrs_try_send('CreateOrder', $1)", [york]);
		const synced = await value("SELECT cqrs_wait($1, ARRAY['order_summary'], '50ms')", [sent.token], client);
		await owner.query("SELECT cqrs_resume('order_summary')");
		client.release();
		assert.strictEqual(synced, false);
		assert.match(notices[0].message, /"order_summary" is paused/);
		assert.strictEqual(await value("SELECT cqrs_wait($1, timeout => '1min')", [sent.token]), true);
	});

	await check('prepared statements, executed again and again', async () => {
		// A named statement belongs to a session: without a pooler that knows
		// them they need a transaction around them.
		const client = await pool.connect();
		await client.query('BEGIN');
		const orders = new Set();
		const name = `create order ${crypto.randomUUID()}`;
		for (let n = 0; n < 10; n++) {
			const { rows: [row] } = await client.query({
				name, text: "SELECT cqrs_send('CreateOrder', $1) AS id", values: [york] });
			orders.add(row.id);
		}
		await client.query('COMMIT');
		client.release(true);
		assert.strictEqual(orders.size, 10);
	});

	await check('many requests at once', async () => {
		const orders = await Promise.all(Array.from({ length: 40 }, async () => {
			const order = Number(await send('CreateOrder', york));
			await send('AddItem', { order_id: order, product_id: 1 + order % 3, qty: 1 });
			await send('SubmitOrder', { order_id: order });
			return order;
		}));
		const token = await value("SELECT token FROM cqrs_try_send('CreateOrder', $1)", [york]);
		assert.strictEqual(await value("SELECT cqrs_wait($1, timeout => '1min')", [token]), true);
		const found = await value("SELECT count(*) FROM shop.order_summary WHERE order_id = ANY ($1) AND status = 'submitted'", [orders]);
		assert.strictEqual(Number(found), 40);
	});

	await pool.end();
	await owner.end();
	process.exit(failed ? 1 : 0);
}

main().catch((error) => {
	console.log(error);
	console.log(`not ok - node-postgres ${mode}`);
	process.exit(1);
});
