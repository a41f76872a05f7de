
'require view';
'require rpc';
'require poll';
'require dom';
'require ui';

/*
 * What uciprov did, would do, and whom it believes. All that comes from the device may have come from the network before: it stands in
 * text nodes only, which is what E() makes of strings *in an array*; a bare string would be taken for HTML.
 */

const callStatus = rpc.declare({ object: 'uciprov', method: 'status', expect: { '': {} } });
const callOverview = rpc.declare({ object: 'uciprov', method: 'overview', expect: { '': {} } });
const callHistory = rpc.declare({ object: 'uciprov', method: 'history', expect: { '': {} } });
const callResult = rpc.declare({ object: 'uciprov', method: 'result', params: ['job'], expect: { '': {} } });
const callPlan = rpc.declare({ object: 'uciprov', method: 'plan', expect: { '': {} } });
const callExplain = rpc.declare({ object: 'uciprov', method: 'explain', expect: { '': {} } });
const callRun = rpc.declare({ object: 'uciprov', method: 'run', params: ['force'], expect: { '': {} } });
const callRollback = rpc.declare({ object: 'uciprov', method: 'rollback', params: ['generation'], expect: { '': {} } });

/* What is no object or no list is an empty one: an older or newer uciprov may say other things. */
const fields = (value) => (typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {});
const items = (value) => (Array.isArray(value) ? value : []);
const text = (value) => (value === undefined || value === null ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value));
const time = (seconds) => (typeof seconds === 'number' ? new Date(seconds * 1000).toLocaleString() : '');

function table(id, heads, rows, nothing) {
	const cells = (kind, all) => E('tr', { 'class': 'tr' + (kind === 'th' ? ' table-titles' : '') },
		all.map((one) => E(kind, { 'class': kind }, Array.isArray(one) ? one : [text(one)])));
	return E('table', { 'class': 'table', 'id': id },
		[cells('th', heads)].concat(rows.length > 0 ? rows.map((row) => cells('td', row)) : [cells('td', [nothing])]));
}

function section(title, children) {
	return E('div', { 'class': 'cbi-section' }, [E('h3', {}, [title])].concat(children));
}

function button(label, kind, act) {
	return E('button', { 'class': 'btn cbi-button cbi-button-' + kind, 'click': act }, [label]);
}

function fault(error) {
	const code = text(fields(error).code);
	const message = text(fields(error).message);
	return code === '' ? message : message === '' ? code : code + ': ' + message;
}

function told(run) {
	if (run.state === 'running') return _('Under way: %s').replace('%s', () => text(run.stage));
	if (run.state !== 'ended') return _('No run since boot');
	const what = text(run.told || run.result);
	return run.error ? what + ' (' + fault(run.error) + ')' : what;
}

/* ---- the parts of the page ---- */

function summary(run, device) {
	const confirmed = fields(device.confirmed);
	const owner = fields(device.owner);
	const failed = fields(device.failed);
	const open = fields(device.transaction);
	const serial = confirmed.serial === undefined ? '' : ', ' + _('serial') + ' ' + text(confirmed.serial);
	const rows = [
		[_('Last run'), told(run)],
		[_('Ended'), text(run.ended)],
		[_('Confirmed tree'), confirmed.base === undefined ? _('None: as on the first boot') : text(confirmed.base) + serial],
		[_('Named by'), text(confirmed.resolver)],
		[_('Since'), time(confirmed.at)],
		[_('Owner'), owner.kind === 'keys' ? text(owner.threshold) + ' ' + _('of the keys') + ' ' + items(owner.fingerprints).map(text).join(', ')
			: owner.kind === 'origin' ? text(owner.host) + ':' + text(owner.port) : _('None')]
	];
	if (failed.reason !== undefined) rows.push([_('Taken back'), text(failed.attempts) + ' × ' + text(failed.reason)]);
	if (open.id !== undefined) rows.push([_('Open transaction'), text(open.id) + ', ' + text(open.state)]);
	return table('uciprov-summary', [_('What'), ''], rows, '');
}

function stages(run) {
	const rows = items(run.stages).map((one) => {
		const stage = fields(one);
		return [stage.stage, stage.error ? _('failed') : _('done'), typeof stage.milliseconds === 'number' ? stage.milliseconds + ' ms' : '', fault(stage.error)];
	});
	if (run.state === 'running') rows.push([run.stage, _('under way'), '', '']);
	return table('uciprov-stages', [_('Stage'), _('State'), _('Took'), _('Why')], rows, _('No run since boot'));
}

const SIGNS = { added: '+', removed: '-' };
const FILE_SIGNS = { 'new': '+', removed: '-' };

function diffLines(plan) {
	const lines = [];
	const software = fields(plan.software);
	const firmware = fields(plan.firmware);
	if (firmware.revision !== undefined) lines.push(['~', _('firmware') + ' ' + text(firmware.from) + ' → ' + text(firmware.revision)]);
	for (const one of items(software.install).map(fields)) lines.push(['+', _('package') + ' ' + text(one.name)]);
	for (const one of items(software.remove).map(fields)) lines.push(['-', _('package') + ' ' + text(one.name)]);
	for (const one of items(plan.packages).map(fields)) {
		lines.push(['', '/etc/config/' + text(one.name)]);
		for (const part of items(fields(one.diff).sections).map(fields)) {
			lines.push([SIGNS[text(part.change)] || '~', 'config ' + text(part.type) + ' ' + text(part.section)]);
			for (const option of items(part.options).map(fields)) {
				if (option.secret) lines.push(['~', '\t' + text(option.option) + ' ' + _('(secret)')]);
				if (option.before !== undefined) lines.push(['-', '\t' + text(option.option) + ' ' + text(option.before)]);
				if (option.after !== undefined) lines.push(['+', '\t' + text(option.option) + ' ' + text(option.after)]);
			}
		}
	}
	for (const file of items(plan.files).map(fields)) lines.push([FILE_SIGNS[text(file.act)] || '~', text(file.act) + ' ' + text(file.path)]);
	for (const service of items(plan.services).map(fields)) lines.push(['~', text(service.act) + ' ' + text(service.name) + ': ' + text(service.because)]);
	for (const why of items(plan.reboots)) lines.push(['!', _('the device reboots:') + ' ' + text(why)]);
	for (const drift of items(plan.drift).map(fields)) lines.push(['!', _('changed on the device: %s').replace('%s', () => text(drift.path))]);
	return lines;
}

function planned(result) {
	const answer = fields(result.answer);
	if (result.state === 'running') return E('p', { 'class': 'spinning' }, [_('The plan is being made')]);
	if (result.tooLarge) return E('p', {}, [_('The plan is too large for this page: see `uciprov plan` on the device')]);
	if (result.state !== 'ended') return E('p', {}, [_('No plan was made yet')]);
	if (answer.error) return E('p', { 'class': 'alert-message warning' }, [fault(answer.error)]);
	const tree = fields(fields(answer.plan).tree);
	const lines = diffLines(fields(answer.plan));
	const colours = { '+': 'color:#080', '-': 'color:#b00', '~': 'color:#960', '!': 'color:#960' };
	return E('div', {}, [
		E('p', {}, [text(answer.told)]),
		E('p', {}, tree.uri === undefined ? [] : [text(tree.uri) + ', ' + _('accepted by') + ' ' + text(tree.acceptedBy) + ' (' + text(tree.reason) + ')']),
		E('pre', { 'id': 'uciprov-diff' }, lines.map(([sign, line]) =>
			E('div', { 'style': colours[sign] || 'font-weight:bold' }, [(sign === '' ? '' : sign + ' ') + line])))
	]);
}

function sources(result) {
	if (result.state === 'running') return E('p', { 'class': 'spinning' }, [_('Everybody is being asked')]);
	const rows = items(fields(result.answer).answers).map(fields).map((one) => [one.resolver, one.uri, one.why, one.trust]);
	return table('uciprov-sources', [_('Resolver'), _('Says'), _('Why it won or lost'), _('What a tree from there must prove')], rows, _('Nobody was asked yet'));
}

return view.extend({
	load: () => Promise.all([callStatus(), callOverview(), callHistory(), callResult('plan'), callResult('explain')]),

	render: function(answers) {
		const [run, device, history, plan, explain] = answers.map(fields);
		const parts = {
			summary: E('div', {}, [summary(run, device)]),
			stages: E('div', {}, [stages(run)]),
			plan: E('div', {}, [planned(plan)]),
			sources: E('div', {}, [sources(explain)]),
			history: E('div', {}, [this.generations(history)])
		};
		this.parts = parts;
		let last = text(run.ended);

		poll.add(() => Promise.all([callStatus(), callResult('plan'), callResult('explain')]).then((now) => {
			const [run, plan, explain] = now.map(fields);
			dom.content(parts.stages, [stages(run)]);
			dom.content(parts.plan, [planned(plan)]);
			dom.content(parts.sources, [sources(explain)]);
			if (text(run.ended) === last) return;
			last = text(run.ended);
			/* These start Node on the device: only after a run. */
			return Promise.all([callOverview(), callHistory()]).then((more) => {
				const [device, history] = more.map(fields);
				dom.content(parts.summary, [summary(run, device)]);
				dom.content(parts.history, [this.generations(history)]);
			});
		}), 5);

		return E('div', {}, [
			E('h2', {}, [_('Provisioning')]),
			E('div', { 'class': 'cbi-section' }, [
				parts.summary,
				E('div', { 'class': 'cbi-page-actions' }, [
					button(_('Run now'), 'action', ui.createHandlerFn(this, 'confirmed', _('Run now?'),
						_('The device asks for its tree and becomes what that says.'), () => callRun(false))), ' ',
					button(_('Show what a run would change'), 'neutral', ui.createHandlerFn(this, 'started', callPlan)), ' ',
					button(_('Ask everybody for the URI'), 'neutral', ui.createHandlerFn(this, 'started', callExplain))
				])
			]),
			section(_('Stages of the last run'), [parts.stages]),
			section(_('What a run would change'), [parts.plan]),
			section(_('Sources and trust'), [parts.sources]),
			section(_('Generations'), [parts.history])
		]);
	},

	generations: function(history) {
		const all = items(history.generations).map(fields).filter((one) => Number.isInteger(one.number));
		const rows = all.map((one, index) => [
			one.number, time(one.at), fields(one.tree).uri, fields(one.tree).serial, one.paths,
			index === 0 ? [_('the device is here')] : [button(_('Go back'), 'negative', ui.createHandlerFn(this, 'confirmed', _('Go back?'),
				_('The device becomes what it was in generation %s. The tree that is confirmed now is not taken again until it changes.').replace('%s', one.number),
				() => callRollback(one.number)))]
		]);
		return table('uciprov-generations', [_('Generation'), _('Since'), _('Tree'), _('Serial'), _('Files'), ''], rows, _('No generation is kept'));
	},

	/* A dialog first; nothing happens if it is closed. */
	confirmed: function(title, words, act) {
		ui.showModal(title, [
			E('p', {}, [words]),
			E('div', { 'class': 'right' }, [
				button(_('Cancel'), 'neutral', () => ui.hideModal()), ' ',
				button(_('Yes'), 'positive important', ui.createHandlerFn(this, () => {
					ui.hideModal();
					return this.started(act);
				}))
			])
		]);
	},

	started: (act) => act().then((answer) => {
			const words = fields(answer).started ? _('It has been started.') : fields(answer).running ? _('It is under way already.') : _('It could not be started.');
			ui.addNotification(null, E('p', {}, [words]), fields(answer).started ? 'info' : 'warning');
		}).catch((error) => ui.addNotification(null, E('p', {}, [text(error && error.message)]), 'error')),

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
