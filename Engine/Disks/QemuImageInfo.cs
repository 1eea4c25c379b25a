using System.Text.Json;
using System.Text.Json.Serialization;

namespace VmMigration.Engine.Disks;

/// <summary>The part of what 'qemu-img info' says that is used here (ImageInfo of QEMU's qapi/block-core.json).</summary>
internal sealed record QemuImageInfo
{
    /// <summary>Size of the disk that a guest sees, bytes.</summary>
    [JsonPropertyName("virtual-size")]
    public required long VirtualSizeBytes { get; init; }

    /// <summary>The image it is an overlay of, as the header says; null for none.</summary>
    [JsonPropertyName("backing-filename")]
    public string? BackingFileName { get; init; }

    /// <summary>The same as a path that leads there; null for none.</summary>
    [JsonPropertyName("full-backing-filename")]
    public string? FullBackingFileName { get; init; }

    /// <summary>Format of that image; null where the header does not say.</summary>
    [JsonPropertyName("backing-filename-format")]
    public string? BackingFormat { get; init; }

    /// <summary>Whether its contents are encrypted.</summary>
    [JsonPropertyName("encrypted")]
    public bool IsEncrypted { get; init; }

    /// <summary>What only images of its format say.</summary>
    [JsonPropertyName("format-specific")]
    public QemuImageFormatInfo? FormatSpecific { get; init; }
}

/// <summary>What images of one format say (ImageInfoSpecific).</summary>
/// <param name="Data">Its fields.</param>
internal sealed record QemuImageFormatInfo([property: JsonPropertyName("data")] JsonElement Data)
{
    /// <summary>A field that holds text; null where there is none.</summary>
    public string? Text(string field) =>
        Data.ValueKind == JsonValueKind.Object && Data.TryGetProperty(field, out JsonElement value) && value.ValueKind == JsonValueKind.String
            ? value.GetString() : null;

    /// <summary>Whether a field holds true.</summary>
    public bool Says(string field) =>
        Data.ValueKind == JsonValueKind.Object && Data.TryGetProperty(field, out JsonElement value) && value.ValueKind == JsonValueKind.True;
}

[JsonSerializable(typeof(QemuImageInfo))]
internal sealed partial class QemuImageJson : JsonSerializerContext;
