using System.Text.Json.Serialization;
using VmMigration.Engine.Disks;

namespace VmMigration.Engine.Protocol;

// The JSON payloads of the frames about a VM's disks; PROTOCOL.md says who sends which, and when.

/// <summary>Payload of <see cref="FrameType.BringDisk"/>.</summary>
/// <param name="Index">Which of the VM's disks, in the order of its specification.</param>
/// <param name="TransferId">Id of the transfer that will bring it, where it has to be brought.</param>
/// <param name="Image">The image that is copied; nothing writes it.</param>
/// <param name="Flatten">Whether what is inside is copied into one qcow2 image, the image being an overlay itself; else the file as it is.</param>
internal sealed record BringDiskMessage(int Index, Guid TransferId, DiskDescription Image, bool Flatten);

/// <summary>Payload of <see cref="FrameType.DiskPlace"/>.</summary>
/// <param name="DestinationPath">Absolute path there.</param>
/// <param name="Offer">How to bring it; null where an earlier try has brought all of it.</param>
/// <param name="Options">What it was offered for.</param>
internal sealed record DiskPlaceMessage(string DestinationPath, IncomingDiskOffer? Offer, DiskTransferOptions Options);

/// <summary>Payload of <see cref="FrameType.DiskArrived"/>.</summary>
/// <param name="Index">Which of the VM's disks.</param>
internal sealed record DiskArrivedMessage(int Index);

[JsonSourceGenerationOptions(UseStringEnumConverter = true, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(BringDiskMessage))]
[JsonSerializable(typeof(DiskPlaceMessage))]
[JsonSerializable(typeof(DiskArrivedMessage))]
internal sealed partial class VmDiskMessages : JsonSerializerContext;
