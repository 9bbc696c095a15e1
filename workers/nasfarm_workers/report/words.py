"""The report's words, in English and in Chinese: the one place for them. Pure."""

from __future__ import annotations

from nasfarm.core.reduced import Note
from nasfarm_workers.recipes import counted, counts, heatmap
from nasfarm_workers.report.html import Words, same

RECIPES: dict[str, Words] = {
    "detect": ("Things in pictures", "图片里的东西"),
    "classify": ("What pictures show", "图片内容"),
    "ocr": ("Words in pictures", "图片里的文字"),
    "embed": ("Fingerprints of pictures", "图片特征"),
    "person-detect": ("People in pictures", "图片里的人"),
    "vehicle-detect": ("Vehicles in pictures", "图片里的车辆"),
    "people-count": ("People counted", "人数统计"),
    "vehicle-count": ("Vehicles counted", "车辆统计"),
    "heatmap": ("Where people stood", "停留热力图"),
}

NAMES: dict[str, Words] = {
    # facts, tables, charts and columns of the built-in recipes
    "alerts": ("Alerts", "警报"),
    "count": ("How many", "数量"),
    "counts": ("Counts", "计数"),
    "crossings": ("Crossings", "穿越次数"),
    "direction": ("Direction", "方向"),
    "dwell": ("Time spent, all added up", "停留时间合计"),
    "dwell_share": ("Share of the time", "停留占比"),
    "flow": ("In and out", "进出"),
    "frame": ("Frame", "帧"),
    "heat": ("Where they stood", "停留位置"),
    "i": ("Number", "编号"),
    "in": ("In", "进入"),
    "item": ("Picture", "图片"),
    "label": ("Kind", "类别"),
    "line": ("Line", "线"),
    "lines": ("Lines", "线"),
    "mean": ("On average", "平均"),
    "most": ("At most", "最多"),
    "most_at_once": ("Most at once", "同时最多"),
    "occupancy": ("Present", "在场"),
    "out": ("Out", "离开"),
    "people": ("People", "人数"),
    "people_followed": ("People followed", "跟踪到的人"),
    "people_in": ("People in", "进入人数"),
    "people_mean": ("People on average", "平均人数"),
    "people_out": ("People out", "离开人数"),
    "people_peak": ("Most people at once", "同时最多人数"),
    "people_peak_at": ("Busiest moment", "最忙时刻"),
    "percent": ("Percent", "百分比"),
    "pictures": ("Pictures", "图片"),
    "present": ("Present", "在场"),
    "score": ("Score", "得分"),
    "seconds": ("Seconds", "秒"),
    "seen_in": ("Seen in", "出现于"),
    "source": ("Camera or folder", "摄像头或文件夹"),
    "sources": ("Cameras and folders", "摄像头和文件夹"),
    "time": ("Time", "时间"),
    "vehicles": ("Vehicles", "车辆"),
    "vehicles_followed": ("Vehicles followed", "跟踪到的车辆"),
    "vehicles_in": ("Vehicles in", "进入车辆"),
    "vehicles_mean": ("Vehicles on average", "平均车辆数"),
    "vehicles_out": ("Vehicles out", "离开车辆"),
    "vehicles_peak": ("Most vehicles at once", "同时最多车辆"),
    "vehicles_peak_at": ("Busiest moment", "最忙时刻"),
    "zone": ("Zone", "区域"),
    "zones": ("Zones", "区域"),
    # what is said of any job
    "found": ("Things found", "找到的东西"),
    "failed": ("Failed", "失败"),
    "kinds": ("Kinds of things", "种类"),
    "texts": ("Lines of text", "文字行"),
    "with": ("Pictures with something", "有内容的图片"),
}
"""What a reduce names, by its word of ours."""

REASONS: dict[str, Words] = {
    "alert": ("Alert", "警报"),
    "crossing": ("Crossed a line", "穿越线"),
    "most": ("Most at once", "同时最多"),
    "spread": ("", ""),
    "surest": ("", ""),
}
"""Why an item is worth seeing; nothing where the picture says it itself."""

UNITS: dict[str, Words] = {
    "pictures": (" pictures", " 张图片"),
    "s": (" s", " 秒"),
    "%": (" %", " %"),
}

FAULTS: dict[str, Words] = {
    "missing": ("The file was gone", "文件不见了"),
    "decode": ("Broken, or not a picture", "文件损坏，或不是图片"),
    "too_large": ("Too large", "太大"),
    "unsupported": ("A format that cannot be read yet", "暂不支持的格式"),
    "forbidden": ("No right to read the file", "没有读取权限"),
    "timeout": ("Took too long", "耗时过长"),
    "crashed": ("Ended the process that looked at it", "处理时进程崩溃"),
    "storage": ("The disk or share reported errors", "磁盘或共享报错"),
    "model": ("The model could not look at it", "模型无法处理"),
}
"""Error codes in words; what the line itself says stands beside them."""

SOURCES: dict[str, Words] = {
    "exif": ("{} from the photos themselves", "{} 张来自照片自身"),
    "name": ("{} from the names of files", "{} 张来自文件名"),
    "video": ("{} from the videos", "{} 张来自视频"),
    "mtime": ("{} from the dates of files", "{} 张来自文件日期"),
}
"""Where times come from."""

NOTES: dict[str, str] = {
    counts.INHERITED: "{1:,} 张图片中有 {0:,} 张与之前的画面相同，沿用其结果。",
    counts.SO_MANY: "共找到 {:,} 种不同的东西或文字；摘要只列出最常见的 {:,} 种。",
    counts.AT_LEAST: "找到超过 {:,} 种不同的东西或文字；摘要只列出最常见的 {:,} 种。",
    counted.NOT_FOLLOWED: "无法得知谁越过了线：同一摄像头没有两张图片相隔 {:g} 秒以内，无法跟踪。"
    "请提交视频，或每秒四张图片。",
    counted.SEVERAL: "共有 {:,} 个摄像头、视频或文件夹。数字按单张图片统计，不相加；"
    "各来源的数字见表 sources。",
    counted.MORE_THAN_DRAWN: "在 {:,} 张图片中，计入的数量多于画出的框：之前看清的对象，"
    "即使模型不太确定也会继续跟踪。",
    counted.FILE_DATES: "{1:,} 张图片中有 {0:,} 张的时间取自文件日期；"
    "复制的文件可能是复制时的日期。",
    heatmap.MANY_SIZES: "图片有 {} 种尺寸：热力图只适用于一台固定不动的摄像头。"
    "请分别提交每台摄像头的图片。",
    heatmap.MEDIAN_STEP: "每张图片按 {:g} 秒计，即相邻图片间隔的中位数；"
    "可用 --set interval= 另行指定。",
    heatmap.CUT_SHORT: "每张图片按 {:g} 秒计，即 longest 允许的最长时间；"
    "可用 --set interval= 另行指定。",
    heatmap.NO_STEP: "每张图片按 {:g} 秒计，因为无法得知间隔；可用 --set interval= 另行指定。",
}
"""Of each note its text in Chinese."""

OTHERS = ("others", "其他")
RECIPE = ("Recipe", "配方")
VALUES = ("Values", "参数")
ZONES = ("Zones", "区域")
LINES = ("Lines", "线")
MODELS = ("Models", "模型")
HANDED_IN = ("Handed in", "提交时间")
PICTURES = ("Pictures", "图片")
TIMES = ("Times", "时间来源")
SPEED = ("Speed", "速度")
JOB = ("Job", "任务")

ASKED = ("What was asked for", "任务内容")
BY_CLASS = ("What was found", "找到的内容")
OVER_TIME = ("Over time", "时间分布")
GALLERY = ("Most telling pictures", "最有代表性的图片")
FAILED = ("What failed", "失败的图片")
TABLES = ("Tables", "数据表")
PICTURE = ("The scene", "场景")
TEXTS_READ = ("Read most often", "最常出现的文字")
ENLARGE = ("Enlarge", "放大")
NO_PICTURE = ("The picture could not be opened here", "此处无法打开图片")


def named(name: str) -> Words:
    """A word of ours in the reader's language; one that is not known as it is.

    >>> named("door in")
    ('door: in', 'door：进入')
    """
    if name in NAMES:
        return NAMES[name]
    whose, _, what = name.rpartition(" ")
    if whose and what in NAMES:
        english, chinese = NAMES[what]
        return (f"{whose}: {english.lower()}", f"{whose}：{chinese}")
    return same(name.replace("_", " "))


def noted(note: Note | str) -> Words:
    """A note in both languages; a package's sentence as it is."""
    if isinstance(note, str):
        return same(note)
    return (str(note), NOTES.get(note.text, note.text).format(*note.values))


def title_of(recipe: str) -> Words:
    """What a job of this recipe is called; an own recipe by its own name."""
    return RECIPES.get(recipe) or same(recipe)


def why_shown(why: str) -> Words:
    """Why a picture is among the most telling ones."""
    return REASONS.get(why) or named(why) if why else ("", "")
