using VmMigration.Engine.Protocol;

namespace VmMigration.Functional.Tests.CrashSafety;

/// <summary>A moment of a migration: a frame that passes between the hosts.</summary>
/// <param name="Type">The frame.</param>
/// <param name="FromSource">Whether the source sends it.</param>
/// <param name="Nth">Which of these frames, from 1.</param>
/// <param name="Delivered">Whether the moment is right after the frame was handed on; else the frame is held back until it is over.</param>
internal readonly record struct FrameMoment(FrameType Type, bool FromSource, int Nth, bool Delivered);
