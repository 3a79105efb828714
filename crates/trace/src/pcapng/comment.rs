//! Comments on packets: what was known about them, in words that can be read back.

use crate::ladder::sequence::fate_text;
use handfast_wire::{Discard, Fate, Loss, SendReason};

/// What is worth saying about a packet, one comment each.
pub(super) fn of(fate: Fate, reason: SendReason) -> Vec<String> {
    let mut comments = Vec::new();
    if reason.is_retransmission() || PROBES.contains(&reason) {
        comments.push(reason.to_string());
    }
    comments.extend(Some(fate_text(fate)).filter(|t| !t.is_empty()));
    comments
}

/// The fate that comments tell of.
pub(super) fn fate(comments: &[String]) -> Fate {
    let losses = [
        Loss::Random,
        Loss::Burst,
        Loss::QueueFull,
        Loss::Chosen,
        Loss::TooBig,
    ];
    let fates = [Fate::Reordered, Fate::Duplicate, Fate::Corrupted]
        .into_iter()
        .chain(losses.map(Fate::Lost))
        .chain(Discard::ALL.iter().map(|&d| Fate::Discarded(d)));
    let mut known = comments
        .iter()
        .filter_map(|c| fates.clone().find(|&f| fate_text(f) == *c));
    known.next().unwrap_or(Fate::Passed)
}

/// The reason for sending that comments tell of.
pub(super) fn reason(comments: &[String]) -> SendReason {
    let timeouts = (0..=u8::MAX).map(SendReason::RetransmissionTimeout);
    let others = [
        SendReason::SynAckAgain,
        SendReason::FastRetransmit,
        SendReason::PartialAck,
        SendReason::RackLoss,
        SendReason::TooBig,
        SendReason::Moved,
    ];
    let mut reasons = others.into_iter().chain(PROBES).chain(timeouts);
    let found = reasons.find(|r| comments.contains(&r.to_string()));
    found.unwrap_or_default()
}

const PROBES: [SendReason; 4] = [
    SendReason::WindowProbe,
    SendReason::KeepAlive,
    SendReason::LossProbe,
    SendReason::MtuProbe,
];
