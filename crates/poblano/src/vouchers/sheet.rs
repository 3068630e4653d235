//! A sheet of vouchers to print and cut up: one HTML file that needs nothing else, with a QR code for each that opens the
//! sign-in page with the code filled in.

use qrcodegen::{QrCode, QrCodeEcc};
use serde_json::Value;

/// Modules of white that a reader wants around a code.
const QUIET: i32 = 4;

/// The whole page.
pub(super) fn sheet(title: &str, vouchers: &[Value]) -> String {
    let title = escaped(title);
    let cards: String = vouchers.iter().map(|voucher| card(&title, voucher)).collect();
    format!(
        "<!doctype html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{cards}</body>\n</html>\n"
    )
}

const STYLE: &str = "\
@page { margin: 10mm; }
body { margin: 0; font: 10pt/1.35 system-ui, sans-serif; color: #000; background: #fff; display: grid; grid-template-columns: repeat(auto-fill, minmax(58mm, 1fr)); }
.card { display: flex; gap: 3mm; align-items: center; padding: 3mm; border: .2mm dashed #888; break-inside: avoid; }
.card svg { flex: none; width: 24mm; height: 24mm; }
.place { font-weight: 600; }
.code { font: 700 11pt/1.5 ui-monospace, \"Liberation Mono\", monospace; white-space: nowrap; }
.serial { color: #444; font-size: 8pt; }
";

fn card(title: &str, voucher: &Value) -> String {
    let text = |key: &str| escaped(voucher[key].as_str().unwrap_or_default());
    let worth = escaped(&super::command::worth(voucher).join(", "));
    let price = text("price");
    let lines = [
        format!("<div class=\"place\">{title}</div>"),
        format!("<div class=\"code\">{}</div>", text("code")),
        format!("<div>{worth}</div>"),
        if price.is_empty() { String::new() } else { format!("<div>{price}</div>") },
        format!("<div class=\"serial\">{}</div>", voucher["serial"]),
    ];
    format!(
        "<div class=\"card\">{}<div>{}</div></div>\n",
        picture(voucher["login_url"].as_str().unwrap_or_default()),
        lines.concat()
    )
}

/// Nothing if the address is too long for any QR code.
fn picture(address: &str) -> String {
    let Ok(code) = QrCode::encode_text(address, QrCodeEcc::Medium) else { return String::new() };
    let size = code.size();
    let dark = (0..size).flat_map(|y| (0..size).map(move |x| (x, y))).filter(|(x, y)| code.get_module(*x, *y));
    let path: String = dark.map(|(x, y)| format!("M{} {}h1v1h-1z", x + QUIET, y + QUIET)).collect();
    let whole = size + 2 * QUIET;
    format!(
        "<svg viewBox=\"0 0 {whole} {whole}\" shape-rendering=\"crispEdges\" role=\"img\" aria-label=\"{}\"><path d=\"{path}\"/></svg>",
        escaped(address)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_voucher_has_its_card_and_nobodys_words_are_markup() {
        let voucher = json!({
            "serial": 17, "code": "K7QM-2XWB-9FRT", "price": "5 <b>", "seconds": 7200,
            "login_url": "http://10.85.0.1:3990/?voucher=K7QM-2XWB-9FRT",
        });
        let page = sheet("Caf\u{e9} & Bar", &[voucher.clone(), voucher]);
        assert_eq!(page.matches("<svg ").count(), 2);
        assert_eq!(page.matches("<div class=\"code\">K7QM-2XWB-9FRT</div>").count(), 2);
        assert!(page.contains("Caf\u{e9} &amp; Bar") && page.contains("5 &lt;b&gt;") && page.contains("2h"), "{page}");
        assert!(!page.contains("<script") && !page.contains("src="));
    }
}
