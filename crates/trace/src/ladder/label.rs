//! The words on a rung.

use super::quantity::grouped;
use super::{Acks, Band, Segment, SegmentKind};
use handfast_wire::SendReason;
use handfast_wire::tcp::{TcpFlags, TcpOptions};

/// The parts of a segment's label, in order; a renderer breaks lines between them. If it is
/// `short`, a window that was said before is left out.
pub(super) fn parts(s: &Segment, short: bool) -> Vec<String> {
    let mut parts = Vec::new();
    match s.kind() {
        SegmentKind::Lost | SegmentKind::Discarded => parts.push("✗".into()),
        SegmentKind::Duplicate => parts.push("DUP".into()),
        _ => {}
    }
    if s.is_out_of_order {
        parts.push("OOO".into());
    }
    if let Some(why) = s.retransmission {
        parts.push(format!("R {}:", cause(why)));
    }
    match s.probe {
        Some(SendReason::KeepAlive) => parts.push("keep-alive".into()),
        Some(_) => parts.push("probe".into()),
        None => {}
    }
    parts.push(s.flags().to_string());
    let is_reset = s.flags().contains(TcpFlags::RST);
    let says_something = s.end() > s.seq || s.retransmission.is_some() || s.probe.is_some();
    if says_something || is_reset || s.ack.is_none() {
        parts.push(format!("seq={}", s.seq));
    }
    parts.extend(s.ack.map(|ack| format!("ack={ack}")));
    if s.len > 0 {
        parts.push(format!("len={}", s.len));
    }
    let is_old = short && s.repeats_window;
    if !is_reset && !is_old {
        parts.push(format!("win={}", s.window));
    }
    if s.is_zero_window() {
        parts.push("ZWIN".into());
    }
    let options = options(s);
    if !options.is_empty() {
        parts.push(format!("<{}>", options.join(", ")));
    }
    parts
}

/// Why it was sent again, short enough for a label.
fn cause(why: SendReason) -> String {
    match why {
        SendReason::Unknown => "?".into(),
        SendReason::SynAckAgain => "SYN again".into(),
        SendReason::FastRetransmit => "fast".into(),
        SendReason::PartialAck => "partial".into(),
        SendReason::LossProbe => "probe".into(),
        SendReason::Data => "?".into(),
        why => why.to_string(),
    }
}

/// The options worth a reader's time: timestamps are named on a SYN only.
fn options(s: &Segment) -> Vec<String> {
    let TcpOptions {
        mss,
        window_scale,
        sack_permitted,
        timestamps,
        sack: _,
        user_timeout,
        fast_open,
        md5,
        authentication,
        accurate_ecn,
    } = &s.header.options;
    let is_syn = s.flags().contains(TcpFlags::SYN);
    let mut out = Vec::new();
    out.extend(mss.map(|mss| format!("MSS {mss}")));
    out.extend(sack_permitted.then(|| "SACK".to_string()));
    out.extend(timestamps.filter(|_| is_syn).map(|_| "TS".to_string()));
    out.extend(window_scale.map(|shift| format!("WS {shift}")));
    out.extend(sack(&s.sack));
    out.extend(user_timeout.map(|raw| {
        // RFC 5482, section 3.1: the first bit says minutes.
        let unit = if raw & 0x8000 == 0 { "s" } else { "min" };
        format!("UTO {} {unit}", raw & 0x7fff)
    }));
    out.extend(fast_open.map(|cookie| match cookie.as_slice().len() {
        0 => "TFO request".to_string(),
        n => format!("TFO {n}"),
    }));
    out.extend(md5.map(|_| "MD5".to_string()));
    out.extend(authentication.map(|a| format!("AO key {}", a.key_id)));
    out.extend(
        accurate_ecn
            .filter(|_| is_syn)
            .map(|_| "AccECN".to_string()),
    );
    out
}

fn sack(blocks: &[(i64, i64)]) -> Option<String> {
    let blocks: Vec<String> = blocks.iter().map(|(l, r)| format!("{l}-{r}")).collect();
    (!blocks.is_empty()).then(|| format!("SACK {}", blocks.join(" ")))
}

/// The label of a band.
pub(super) fn band(b: &Band) -> Vec<String> {
    vec![
        format!("{} segments", grouped(b.segments as u64)),
        format!("seq {}..{}", b.seq, b.end),
        format!("len={}", b.end - b.seq),
    ]
}

/// The label of folded acknowledgments.
pub(super) fn acks(a: &Acks) -> Vec<String> {
    let many = grouped(a.segments as u64);
    let (what, which) = match a.first == a.last {
        true => ("duplicate ACKs", format!("ack={}", a.last)),
        false => ("ACKs", format!("ack={}..{}", a.first, a.last)),
    };
    let mut parts = vec![format!("{many} {what}"), which, format!("win={}", a.window)];
    parts.extend(sack(&a.sack).map(|blocks| format!("<{blocks}>")));
    parts
}
