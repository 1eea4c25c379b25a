using Microsoft.Win32.SafeHandles;

namespace VmMigration.Engine.Native;

/// <summary>Holds a descriptor open while its number is inside a structure or a variadic call, where the marshaller cannot.</summary>
internal ref struct DescriptorReference
{
    private readonly SafeFileHandle handle;
    private readonly bool added;

    public DescriptorReference(SafeFileHandle handle)
    {
        this.handle = handle;
        handle.DangerousAddRef(ref added);
        Descriptor = (int)handle.DangerousGetHandle();
    }

    public int Descriptor { get; }

    public readonly void Dispose()
    {
        if (added) handle.DangerousRelease();
    }
}
