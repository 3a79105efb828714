//! What two ends agree on, by the standards; and whether they say so.

use crate::plan::Cell;
use crate::wire::Seen;
use handfast::{EcnMode, TcpInfo};
use nix::libc::tcp_info;

// Of tcpi_options (linux/tcp.h).
const TIMESTAMPS: u8 = 1;
const SACK: u8 = 2;
const SCALING: u8 = 4;
const ECN: u8 = 8;
const SYN_DATA: u8 = 32;

/// What was agreed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Agreed {
    pub(crate) timestamps: bool,
    pub(crate) sack: bool,
    pub(crate) scaling: bool,
    pub(crate) ecn: EcnMode,
    pub(crate) fast_open: bool,
}

/// None, one echo a round trip, or counters: what an end may ask for, and grant.
fn ecn(cell: &Cell) -> EcnMode {
    let kernel = match cell.get("kernel's ECN") {
        "0" => [0, 0],
        "1" => [1, 1],
        "2" => [0, 1],
        "3" => [2, 2],
        "4" => [1, 2],
        _ => [0, 2],
    };
    let ours = match cell.get("our ECN") {
        "off" => [0, 0],
        "passive" => [0, 1],
        "classic" => [1, 1],
        _ => [2, 2],
    };
    let agreed: i32 = match cell.get("opens") {
        "we" => ours[0].min(kernel[1]),
        _ => kernel[0].min(ours[1]),
    };
    [EcnMode::Off, EcnMode::Classic, EcnMode::Accurate][agreed as usize]
}

/// What is to be agreed on a path that loses nothing.
pub(crate) fn agreed(cell: &Cell) -> Agreed {
    Agreed {
        timestamps: cell.both("timestamps"),
        sack: cell.both("SACK"),
        scaling: cell.both("scaling"),
        ecn: ecn(cell),
        fast_open: cell.both("Fast Open"),
    }
}

/// All that was seen of a cell's connection.
pub(crate) struct Found {
    pub(crate) ours: TcpInfo,
    pub(crate) kernels: tcp_info,
    /// Of all of the cell's connections.
    pub(crate) sent: Seen,
    pub(crate) received: Seen,
    /// Our counters tell that text on the SYN was taken.
    pub(crate) fast_open: bool,
}

/// Compares; an error names the first that differs.
pub(crate) fn compare(cell: &Cell, found: &Found) -> Result<Agreed, String> {
    let (expected, ours, kernels) = (agreed(cell), &found.ours, &found.kernels);
    let agreed = Agreed {
        timestamps: ours.timestamps,
        sack: ours.sack,
        scaling: ours.window_scale.is_some(),
        ecn: ours.ecn,
        fast_open: found.fast_open,
    };
    let clean = cell.is("path", "clean");
    // Where SYNs are lost both ends ask for less the second time, and may differ about what came
    // of it: Linux goes by the last SYN,ACK, and we by the last SYN (RFC 3168, 6.1.1.1).
    let ecn_holds = clean || agreed.ecn == expected.ecn;
    let allowed = Agreed {
        ecn: if ecn_holds { expected.ecn } else { agreed.ecn },
        fast_open: expected.fast_open && (clean || agreed.fast_open),
        ..expected
    };
    if allowed != agreed {
        return Err(format!("{agreed:?} agreed, not {expected:?}"));
    }
    let says = |option: u8| kernels.tcpi_options & option != 0;
    let (sent, received) = (&found.sent, &found.received);
    let (timestamps, ecn) = (agreed.timestamps, agreed.ecn != EcnMode::Off);
    let accurate = agreed.ecn == EcnMode::Accurate;
    let text_on_syn = sent.text_on_syn + received.text_on_syn > 0;
    // Who was slow to acknowledge a FIN hears it twice, answers twice, and the second answer finds
    // the other end gone.
    let in_time = clean && sent.repeated_fins + received.repeated_fins == 0;
    let kernel_opens = clean && cell.is("opens", "kernel");
    // What, whether it is so, whether it should be, and whether that can be told.
    let demands = [
        (
            "the kernel's timestamps",
            says(TIMESTAMPS),
            timestamps,
            true,
        ),
        ("the kernel's SACK", says(SACK), agreed.sack, true),
        ("the kernel's scaling", says(SCALING), agreed.scaling, true),
        ("the kernel's ECN", says(ECN), ecn, ecn_holds),
        (
            "the kernel's Fast Open",
            says(SYN_DATA),
            agreed.fast_open,
            kernel_opens,
        ),
        (
            "timestamps sent",
            sent.with_timestamps > 0,
            timestamps,
            true,
        ),
        (
            "timestamps received",
            received.with_timestamps > 0,
            timestamps,
            true,
        ),
        ("none sent", sent.without_timestamps > 0, !timestamps, true),
        (
            "none received",
            received.without_timestamps > 0,
            !timestamps,
            true,
        ),
        ("SACK blocks sent", sent.sacks > 0, false, !agreed.sack),
        (
            "SACK blocks received",
            received.sacks > 0,
            false,
            !agreed.sack,
        ),
        ("ECT on text sent", sent.ect > 0, ecn, ecn_holds),
        ("ECT on text received", received.ect > 0, ecn, ecn_holds),
        (
            "counters of marks sent",
            sent.accurate > 0,
            accurate,
            ecn_holds,
        ),
        (
            "counters of marks received",
            received.accurate > 0,
            accurate,
            ecn_holds,
        ),
        (
            "text on a SYN",
            text_on_syn,
            expected.fast_open,
            clean || !expected.fast_open,
        ),
        ("a reset sent", sent.resets > 0, false, true),
        ("a reset received", received.resets > 0, false, true),
        ("a late reset sent", sent.late_resets > 0, false, in_time),
        (
            "a late reset received",
            received.late_resets > 0,
            false,
            in_time,
        ),
    ];
    let wrong = demands
        .iter()
        .find(|(_, is, should, told)| *told && is != should);
    if let Some((what, is, should, _)) = wrong {
        return Err(format!("{what}: {is}, not {should}"));
    }
    if let Some(shifts) = ours.window_scale {
        let both = kernels.tcpi_snd_rcv_wscale;
        if (both >> 4, both & 15) != shifts {
            return Err(format!("shifts {shifts:?}, the kernel says {both:#04x}"));
        }
    }
    let mtu: u32 = cell.get("MTU").parse().expect("a number");
    let longest = sent.largest.max(received.largest);
    if longest > mtu {
        return Err(format!("a packet of {longest} octets"));
    }
    let ip = if cell.is("IP", "6") { 40 } else { 20 };
    let mss = mtu - ip - 20 - if timestamps { 12 } else { 0 };
    if u32::from(ours.snd_mss) != mss {
        return Err(format!("an MSS of {}, not {mss}", ours.snd_mss));
    }
    Ok(agreed)
}
