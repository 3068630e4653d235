//! Chinese, simplified.

use super::Text;

pub(super) static CHINESE: Text = Text {
    lang: "zh-Hans",
    dir: "ltr",
    decimal: '.',

    sign_in: "登录",
    sign_in_lead: "登录后，此设备即可使用互联网。",
    name: "用户名",
    password: "密码",
    accept_terms: "我接受使用条款",
    read_terms: "阅读使用条款",
    terms: "使用条款",
    error: "错误",

    fill_in_both: "请输入用户名和密码。",
    accept_terms_first: "请先接受使用条款，然后才能上网。",
    no_match: "用户名与密码不匹配。",
    server_silent: "登录服务器没有响应，请一分钟后重试。",
    too_many_tries: "尝试次数过多，请在{}后重试。",

    online: "您已联网",
    online_lead: "此设备现在可以使用互联网。",
    continue_to: "继续前往 {}",
    see_status: "剩余时间和流量",

    status: "您的连接",
    signed_in_as: "已登录：{}",
    time_left: "剩余时间",
    data_left: "剩余流量",
    unlimited: "不限",
    online_for: "在线时长",
    sent: "已发送",
    received: "已接收",
    speed_up: "上传速度上限",
    speed_down: "下载速度上限",
    idle: "闲置多久后退出",
    start_updates: "持续更新",
    stop_updates: "停止更新",
    refresh: "刷新",

    sign_out: "退出登录",
    sign_out_question: "要退出登录吗？",
    sign_out_lead: "此设备将无法继续使用互联网。",
    stay: "保持在线",
    signed_out: "您已退出登录",
    signed_out_lead: "感谢您的光临。",
    sign_in_again: "重新登录",

    not_found: "此页面不存在",
    not_found_lead: "地址可能输入有误。",
    to_start: "前往首页",
    trouble: "操作未成功",
    foreign_form: "此表单来自其他网站，因此未被使用。请在我们的页面上登录或退出。",
    bad_form: "表单在传输中损坏，请重试。",
    form_too_large: "表单内容过长，请缩短后重试。",
    form_too_slow: "表单传输过慢，请重试。",

    days: ("{}天", "{}天"),
    hours: ("{}小时", "{}小时"),
    minutes: ("{}分钟", "{}分钟"),
    seconds: ("{}秒", "{}秒"),
};
