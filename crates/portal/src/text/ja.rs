//! Japanese.

use super::Text;

pub(super) static JAPANESE: Text = Text {
    lang: "ja",
    dir: "ltr",
    decimal: '.',

    sign_in: "ログイン",
    sign_in_lead: "ログインすると、この端末でインターネットを利用できます。",
    name: "ユーザー名",
    password: "パスワード",
    accept_terms: "利用規約に同意します",
    read_terms: "利用規約を読む",
    terms: "利用規約",
    error: "エラー",

    fill_in_both: "ユーザー名とパスワードを入力してください。",
    accept_terms_first: "インターネットに接続するには利用規約に同意してください。",
    no_match: "ユーザー名とパスワードが一致しません。",
    server_silent: "ログインサーバーが応答しません。1分後にもう一度お試しください。",
    too_many_tries: "試行回数が多すぎます。{}後にもう一度お試しください。",

    online: "インターネットに接続しました",
    online_lead: "この端末でインターネットを利用できます。",
    continue_to: "{} に進む",
    see_status: "残りの時間とデータ量",

    status: "接続状況",
    signed_in_as: "{} としてログイン中",
    time_left: "残り時間",
    data_left: "残りデータ量",
    unlimited: "無制限",
    online_for: "接続時間",
    sent: "送信",
    received: "受信",
    speed_up: "アップロード速度上限",
    speed_down: "ダウンロード速度上限",
    idle: "無操作時のログアウトまで",
    start_updates: "自動更新する",
    stop_updates: "自動更新をやめる",
    refresh: "更新",

    sign_out: "ログアウト",
    sign_out_question: "ログアウトしますか？",
    sign_out_lead: "この端末ではインターネットを利用できなくなります。",
    stay: "接続を続ける",
    signed_out: "ログアウトしました",
    signed_out_lead: "ご利用ありがとうございました。",
    sign_in_again: "もう一度ログイン",

    not_found: "このページは存在しません",
    not_found_lead: "アドレスが間違っている可能性があります。",
    to_start: "最初のページへ",
    trouble: "うまくいきませんでした",
    foreign_form: "このフォームは別のウェブサイトから送信されたため、使用されませんでした。このサイトのページでログインまたはログアウトしてください。",
    bad_form: "フォームが壊れて届きました。もう一度お試しください。",
    form_too_large: "フォームが長すぎます。短くしてもう一度お試しください。",
    form_too_slow: "フォームの到着に時間がかかりすぎました。もう一度お試しください。",

    days: ("{}日", "{}日"),
    hours: ("{}時間", "{}時間"),
    minutes: ("{}分", "{}分"),
    seconds: ("{}秒", "{}秒"),
};
