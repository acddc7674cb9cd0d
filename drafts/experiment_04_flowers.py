import torch,time,sys,copy
from gancourse import nets,probes,env
from gancourse.datasets import flowers
from gancourse.datasets.batches import Batches
from gancourse.nets import dcgan, blocks
from gancourse.nets.judge import Judge
from gancourse.steps import gan_step, ema_update, descend
from gancourse.loop import linear_decay
from gancourse.objectives import r1_penalty
from gancourse.metrics import in_batches
from gancourse.figures import show_images
import matplotlib; matplotlib.use('Agg')
steps=int(sys.argv[1]); width=int(sys.argv[2]); gamma=float(sys.argv[3]); noise=int(sys.argv[4]); tag=sys.argv[5]
torch.set_num_threads(1)
t=time.time()
F=flowers.load(4000,32,torch.Generator().manual_seed(0)); print('draw',time.time()-t)
rng=torch.Generator().manual_seed(0)
G=blocks.init_normal(dcgan.Generator(noise,3,width,32),rng).to(memory_format=torch.channels_last); D=blocks.init_normal(dcgan.Discriminator(3,width,32),rng).to(memory_format=torch.channels_last)
avg=copy.deepcopy(G)
b=Batches(F.images,size=32,rng=rng); sz=env.noise(noise,rng)
oG=torch.optim.Adam(G.parameters(),1e-3,betas=(.5,.99),fused=True); oD=torch.optim.Adam(D.parameters(),1e-3,betas=(.5,.99),fused=True)
sG,sD=linear_decay(oG,steps,.5),linear_decay(oD,steps,.5)
t=time.time()
for n in range(steps):
    pen=(lambda D,x: 8*gamma/2*r1_penalty(D,x)) if gamma and n%8==0 else None
    L=gan_step(G,D,oG,oD,b,sz,penalty=pen,autocast=env.autocast); sG.step(); sD.step(); ema_update(avg,G,min(.999,(n+1)/(n+10)))
    if n%100==0: print(n,L['loss_D'].item(),L['loss_G'].item(),f'{time.time()-t:.0f}s',flush=True)
    if time.process_time()>200: print('stopped',n); break
print('train',time.time()-t)
x=in_batches(avg,torch.randn(96,noise,generator=torch.Generator().manual_seed(1)))
ax=show_images(x,columns=24); ax.figure.savefig(f'runs/fg_{tag}.png',dpi=90)
torch.save((avg.state_dict(),D.state_dict(),noise,width),f'runs/fg_{tag}.pt')

import sys; sys.path.insert(0,'runs/d04')
from fdrop import analyse
analyse(avg.eval(),noise,tag)
