//! The picture: a function of the state, the time and the size of the terminal.

use lode_proto::{mine::NoWork, plain};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Borders, Paragraph},
};

use super::state::{Contact, Dashboard, Stage, Work};

/// Lines of the parts that have a fixed height, borders included.
const HEAD: u16 = 6;
const WORK: u16 = 8;
const TROUBLES: u16 = 7;

fn bold() -> Style {
    Style::default().add_modifier(Modifier::BOLD)
}

fn faint() -> Style {
    Style::default().add_modifier(Modifier::DIM)
}

fn alarm() -> Style {
    Style::default().fg(Color::Red).add_modifier(Modifier::BOLD)
}

/// Milliseconds as a person says them.
fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

fn credits(milli: u64) -> String {
    format!("{}.{:03}", milli / 1000, milli % 1000)
}

/// Draws the whole screen. `now_ms` is on the clock of the state's times.
pub(super) fn draw(frame: &mut Frame<'_>, state: &Dashboard, now_ms: u64) {
    let [head, work, receipts, troubles, log] = Layout::vertical([
        Constraint::Length(HEAD),
        Constraint::Length(WORK),
        Constraint::Length(TROUBLES),
        Constraint::Length(TROUBLES),
        Constraint::Min(3),
    ])
    .areas(frame.area());
    part(frame, head, " lode miner ", head_lines(state, now_ms));
    part(frame, work, " work ", work_lines(state, now_ms));
    part(frame, receipts, " receipts ", receipt_lines(state));
    part(frame, troubles, " refused and dropped ", trouble_lines(state, now_ms));
    let rows = usize::from(log.height.saturating_sub(2));
    let lines = state.log.iter().skip(state.log.len().saturating_sub(rows));
    let lines = lines.map(|line| Line::raw(line.as_str())).collect();
    part(frame, log, " log · q stops in order, q again at once ", lines);
}

fn part(frame: &mut Frame<'_>, area: Rect, title: &str, lines: Vec<Line<'_>>) {
    let block = Block::default().borders(Borders::ALL).title(Span::styled(title, bold()));
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn head_lines(state: &Dashboard, now_ms: u64) -> Vec<Line<'static>> {
    let contact = match &state.contact {
        Contact::Unknown => Span::styled("not asked yet", faint()),
        Contact::Up => Span::styled("answers", Style::default().fg(Color::Green)),
        Contact::Down { since_ms, reason } => {
            let since = span(now_ms.saturating_sub(*since_ms));
            Span::styled(format!("away for {since}: {reason}"), alarm())
        }
    };
    let stopping = "stopping: what is ready is handed in, the rest is given back";
    let held = state.held.map(|reason| format!("taking no new work: {reason}"));
    let doing = match (state.stopping, &state.waiting) {
        (true, _) => stopping,
        (false, _) if held.is_some() => held.as_deref().unwrap_or_default(),
        (false, Some(NoWork::NotOpen)) => "waiting: no epoch is open",
        (false, Some(NoWork::AllLeased)) => "waiting: all tasks are given out",
        (false, Some(NoWork::Closing)) => "waiting: the epoch is being closed",
        (false, Some(NoWork::Paused)) => "waiting: the campaign is paused",
        (false, Some(NoWork::Finished)) => "waiting: the campaign is over",
        (false, None) => "working",
    };
    let speed = state.speed_tenths(now_ms);
    vec![
        Line::raw(format!(
            "miner {}  network {}  policy {}",
            state.miner, state.network, state.policy
        )),
        Line::from(vec![Span::raw("coordinator "), contact]),
        Line::from(vec![
            Span::raw(format!("{doing}  ")),
            Span::styled(format!("{}.{} tokens a second", speed / 10, speed % 10), bold()),
            Span::raw(format!("  {} tokens in {}", state.tokens, span(now_ms))),
        ]),
        Line::from(vec![
            Span::styled(format!("{} credits", credits(state.totals.credits_milli)), bold()),
            Span::raw(format!(
                "  {} receipts  {} groups  {} dropped  (here: {} receipts, {} credits)",
                state.totals.receipts,
                state.totals.groups,
                state.totals.dropped,
                state.totals.receipts.saturating_sub(state.before.receipts),
                credits(state.totals.credits_milli.saturating_sub(state.before.credits_milli)),
            )),
        ]),
    ]
}

fn work_lines(state: &Dashboard, now_ms: u64) -> Vec<Line<'static>> {
    if state.work.is_empty() {
        return vec![Line::styled("no lease", faint())];
    }
    let mut work: Vec<_> = state.work.iter().collect();
    work.sort_by_key(|(_, work)| work.since_ms);
    let line = |(lease, work): (&lode_proto::id::LeaseId, &Work)| {
        let stage = match work.stage {
            Stage::Waiting => "to be generated".into(),
            Stage::Generating { finished, attempts } => {
                format!("generating, {finished} of {attempts} attempts ended")
            }
            Stage::HandingIn { receipts, attempts: Some(attempts) } => {
                format!("handing in, {receipts} of {attempts} receipts")
            }
            Stage::HandingIn { receipts, attempts: None } => {
                format!("handing in, {receipts} receipts")
            }
        };
        let since = span(now_ms.saturating_sub(work.since_ms));
        Line::raw(format!("{}  {:>7} tokens  {since:>12}  {stage}", lease.short(), work.tokens))
    };
    work.into_iter().map(line).collect()
}

fn receipt_lines(state: &Dashboard) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if state.wrong > 0 {
        let text = format!("{} receipts are wrong: see `lode miner receipts`", state.wrong);
        lines.push(Line::styled(text, alarm()));
    }
    if state.receipts.is_empty() {
        lines.push(Line::styled("none since the start", faint()));
    }
    lines.extend(state.receipts.iter().rev().map(|receipt| {
        Line::raw(format!(
            "receipt {:>7}  epoch {:>4}  {:>6} tokens  {:>9} credits",
            receipt.number,
            receipt.epoch,
            receipt.tokens,
            credits(receipt.credits_milli)
        ))
    }));
    lines
}

fn trouble_lines(state: &Dashboard, now_ms: u64) -> Vec<Line<'static>> {
    if state.troubles.is_empty() {
        return vec![Line::styled("none since the start", faint())];
    }
    let line = |trouble: &super::state::Trouble| {
        let ago = span(now_ms.saturating_sub(trouble.at_ms));
        // Harmless already; once more costs nothing and holds whatever the state becomes.
        Line::raw(format!("{ago:>12} ago  {}", plain::line(&trouble.text)))
    };
    state.troubles.iter().rev().map(line).collect()
}

#[cfg(test)]
mod tests {
    use lode_miner::{Ending, Event, ReceiptNote, queue::Totals};
    use lode_proto::{id::LeaseId, refusal::Refusal};
    use ratatui::{Terminal, backend::TestBackend};

    use super::*;

    fn picture(state: &Dashboard, now_ms: u64, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        terminal.draw(|frame| draw(frame, state, now_ms)).expect("drawn");
        let buffer = terminal.backend().buffer();
        let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..height).map(|y| row(y).trim_end().to_owned() + "\n").collect()
    }

    fn story() -> Dashboard {
        let mut state = Dashboard::default();
        let lease = |byte: u8| LeaseId::of(&[byte]);
        let before = Totals { receipts: 8, credits_milli: 1_000, groups: 1, dropped: 0 };
        state.apply(0, &Event::Opened { leases: Vec::new(), ready: Vec::new(), totals: before });
        state.apply(0, &Event::Coordinator { up: true, reason: None });
        state.apply(1_000, &Event::Leased { lease: lease(1) });
        state.apply(1_000, &Event::Leased { lease: lease(2) });
        for (at, tokens) in [(2_000, 0), (4_000, 100)] {
            let progress = Event::Progress { lease: lease(1), tokens, finished: 3, attempts: 8 };
            state.apply(at, &progress);
        }
        let receipt =
            ReceiptNote { number: 8, epoch: 2, tokens: 60, credits_milli: 3_000, unix_ms: 1 };
        let totals = Totals { receipts: 9, credits_milli: 4_000, groups: 1, dropped: 0 };
        let receipted = Event::Receipted {
            lease: lease(2),
            attempt: 0,
            receipt: Some(receipt),
            wrong: None,
            totals,
        };
        state.apply(4_000, &receipted);
        state.apply(4_500, &Event::refused("lease", &Refusal::TooManyLeases { held: 4, limit: 4 }));
        let reason = "\u{1b}[31mnot\nme\u{202e}".to_owned();
        let totals = Totals { dropped: totals.dropped + 1, ..totals };
        let dropped = Event::Dropped { lease: lease(3), how: Ending::HandedBack, reason, totals };
        state.apply(5_000, &dropped);
        state.log("2026-11-22 INFO joined");
        state
    }

    #[test]
    fn all_that_is_known_is_drawn() {
        let seen = picture(&story(), 6_000, 100, 40);
        for part in [
            "coordinator answers",
            "4.000 credits  9 receipts  1 groups  1 dropped  (here: 1 receipts, 3.000 credits)",
            "25.0 tokens a second",
            "100 tokens           5 s  generating, 3 of 8 attempts ended",
            "handing in, 1 receipts",
            "receipt       8  epoch    2      60 tokens      3.000 credits",
            "1 s ago  lease refused: you hold 4 leases; at most 4 at a time",
            "handed_back: \\u{1b}[31mnot\\nme\\u{202e}",
            "2026-11-22 INFO joined",
        ] {
            assert!(seen.contains(part), "no {part:?} in\n{seen}");
        }
    }

    #[test]
    fn every_size_and_state_can_be_drawn() {
        let mut away = story();
        let reason = Some("connection refused".to_owned());
        away.apply(6_000, &Event::Coordinator { up: false, reason });
        away.apply(6_000, &Event::Waiting { reason: NoWork::Paused });
        let seen = picture(&away, 3_700_000, 100, 40);
        assert!(seen.contains("coordinator away for 1 h 01 min: connection refused"), "{seen}");
        assert!(seen.contains("waiting: the campaign is paused  0.0 tokens a second"), "{seen}");
        away.apply(6_000, &Event::Held { reason: Some("too hot") });
        let seen = picture(&away, 3_700_000, 100, 40);
        assert!(seen.contains("taking no new work: too hot  0.0 tokens a second"), "{seen}");
        for (width, height) in [(1, 1), (3, 2), (20, 5), (80, 24), (300, 100)] {
            picture(&away, 7_000, width, height);
            picture(&Dashboard::default(), 0, width, height);
        }
    }
}
